/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Starting the guest at the destination: what QEMU says when it is asked right
 * before, and what becomes of "cont". A monitor by script; no guest.
 */
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "migrate/drive/migrate-start.h"
#include "tests/support/qmp-peer.h"
#include "tests/unit/session-scene.h"

#define HEADING "              Block Name    PSize              Offset"           \
                "               Used              Total                HVA  RO\\r\\n"
#define BLOCK(name, used)                                                      \
    "                     " name "    4 KiB  0x0000000000000000 " used         \
    " 0x0000000000001000 0x0000000000000000  rw\\r\\n"
#define RAM BLOCK("ram", "0x0000000000001000")
#define BLOCKS(lines)                                                          \
    {QMP_PEER_HEAR, "x-query-ramblock", NULL},                                 \
        {QMP_PEER_ANSWER, "{\"human-readable-text\": \"" HEADING lines "\"}",  \
         NULL}
#define STATE(state)                                                           \
    {QMP_PEER_HEAR, "query-status", NULL},                                     \
        {QMP_PEER_ANSWER,                                                      \
         "{\"running\": false, \"singlestep\": false, \"status\": \"" state    \
         "\"}",                                                                \
         NULL}
#define CONT {QMP_PEER_HEAR, "\"cont\"", NULL}
#define RESUME                                                                 \
    {QMP_PEER_SAY,                                                             \
     "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 2}, \"event\": "      \
     "\"RESUME\"}\r\n",                                                        \
     NULL}

typedef struct {
    const char *name;
    const QmpPeerStep *steps;
    bool ok, committed;
    ErrorCode code;
    const char *words;
} Case;

static const QmpPeerStep started[] = {
    {QMP_PEER_GREET},    BLOCKS(RAM), STATE("paused"), CONT,
    {QMP_PEER_ANSWER, "{}", NULL}, RESUME, {QMP_PEER_END}};
static const QmpPeerStep panicked[] = {
    {QMP_PEER_GREET}, BLOCKS(RAM), STATE("guest-panicked"), {QMP_PEER_END}};
static const QmpPeerStep refused[] = {
    {QMP_PEER_GREET}, BLOCKS(RAM), STATE("paused"), CONT,
    {QMP_PEER_REFUSE, NULL, "the disk is locked"}, {QMP_PEER_END}};
static const QmpPeerStep powered_off[] = {
    {QMP_PEER_GREET}, BLOCKS(RAM), STATE("shutdown"), {QMP_PEER_END}};
static const QmpPeerStep added[] = {
    {QMP_PEER_GREET},
    BLOCKS(RAM BLOCK("late", "0x0000000000002000")),
    {QMP_PEER_END}};
static const QmpPeerStep mute[] = {
    {QMP_PEER_GREET}, {QMP_PEER_HEAR, "x-query-ramblock", NULL}, CONT,
    {QMP_PEER_ANSWER, "{}", NULL}, RESUME, {QMP_PEER_END}};

static const Case cases[] = {
    {"started", started, true, true, 0, NULL},
    {"panicked", panicked, true, true, 0, NULL},
    {"refused", refused, false, false, ERROR_FAILED, "the disk is locked"},
    {"powered-off", powered_off, true, true, 0, NULL},
    {"added", added, false, false, ERROR_STATE, "RAM block 'late' was added"},
    {"no-answer-before-cont", mute, true, true, 0, NULL},
};

static void
add_known_block(MigrateSession *session)
{
    QmpRamBlock block = {.name = g_strdup("ram"), .bytes = 4096};
    session->guest.blocks = g_array_new(false, true, sizeof block);
    g_array_set_clear_func(session->guest.blocks,
                           (GDestroyNotify)qmp_ram_block_clear);
    g_array_append_val(session->guest.blocks, block);
}

static void
start(gconstpointer data)
{
    const Case *c = data;
    SessionScene s;
    g_autoptr(GError) error = NULL;
    session_scene_init(&s, MIGRATE_RECEIVE);
    MigrateSession *session = s.session;
    QmpPeer *peer = qmp_peer_start(c->steps);
    session->guest.qmp = qmp_client_open(qmp_peer_path(peer), 10000, &error);
    g_assert_no_error(error);
    add_known_block(session);
    session->destination.start_guest = true;
    g_assert_cmpint(migrate_start_guest(session, &error), ==,
                    c->ok);
    g_assert_cmpint(session->past_no_return, ==, c->committed);
    if (!c->ok) {
        g_assert_true(error_is(error, c->code));
        g_assert_nonnull(strstr(error->message, c->words));
    }
    g_clear_pointer(&session->guest.qmp, qmp_client_close);
    qmp_peer_stop(peer);
    session_scene_clear(&s);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* What cannot be known is warned of. */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/start/%s", cases[i].name);
        g_test_add_data_func(path, &cases[i], start);
    }
    return g_test_run();
}
