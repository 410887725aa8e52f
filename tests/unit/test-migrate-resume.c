/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Taking over from a sender that died before RUN: what was its own is told from
 * what is somebody else's, and where QEMU does not say, nothing is decided, and
 * the journal stays for the next try. A monitor by script, which is of this
 * process, so this process is its QEMU.
 */
#include <unistd.h>

#include "base/error.h"
#include "base/proc-life.h"
#include "migrate/link/migrate-trust.h"
#include "migrate/story/migrate-resume.h"
#include "migrate/story/migrate-stages.h"
#include "tests/support/qmp-peer.h"
#include "tests/unit/session-scene.h"

#define ASKED {QMP_PEER_HEAR, "query-migrate-capabilities", NULL}
#define OFF {QMP_PEER_HEAR, "migrate-set-capabilities", NULL}, \
            {QMP_PEER_ANSWER, "{}", NULL}

static const QmpPeerStep silent[] = {{QMP_PEER_GREET},
                                     ASKED,
                                     {QMP_PEER_REFUSE, NULL, "not now"},
                                     {QMP_PEER_END}};
#define CAPABILITIES(ignore, back)                                             \
    ASKED, {QMP_PEER_ANSWER,                                                   \
            "[{\"capability\": \"x-ignore-shared\", \"state\": " ignore "}, "   \
            "{\"capability\": \"return-path\", \"state\": " back "}]", NULL}
#define CLOSEFD {QMP_PEER_HEAR, "closefd", NULL}
#define NO_FD CLOSEFD, {QMP_PEER_REFUSE, NULL, "no such descriptor"}
#define MIGRATION(text)                                                        \
    {QMP_PEER_HEAR, "query-migrate\"", NULL}, {QMP_PEER_ANSWER, text, NULL}
#define STATE(state)                                                           \
    {QMP_PEER_HEAR, "query-status", NULL},                                     \
        {QMP_PEER_ANSWER,                                                      \
         "{\"running\": false, \"singlestep\": false, \"status\": \"" state     \
         "\"}", NULL}
/* 64 MiB of the guest's, 2 MiB of ROM. */
#define BLOCKS                                                                 \
    {QMP_PEER_HEAR, "x-query-ramblock", NULL},                                 \
        {QMP_PEER_ANSWER,                                                      \
         "{\"human-readable-text\": \"Block Name PSize Offset Used Total\\r\\n" \
         " ram 4 KiB 0x0000000000000000 0x0000000004000000 "                   \
         "0x0000000004000000\\r\\n"                                            \
         " rom 4 KiB 0x0000000004000000 0x0000000000020000 "                   \
         "0x0000000000200000\\r\\n\"}", NULL}
#define COMPLETED(pages)                                                       \
    "{\"status\": \"completed\", \"ram\": {\"normal\": " pages                 \
    ", \"duplicate\": 100}}"
#define CONT {QMP_PEER_HEAR, "\"cont\"", NULL}, {QMP_PEER_ANSWER, "{}", NULL}
#define END OFF, OFF, OFF, {QMP_PEER_END}

static const QmpPeerStep mended[] = {
    {QMP_PEER_GREET}, CAPABILITIES("false", "true"), MIGRATION("{}"),
    NO_FD, STATE("running"), END};
/* "migrate" was never heard, and what QEMU migrates is not cancelled. */
static const QmpPeerStep unheard[] = {
    {QMP_PEER_GREET}, CAPABILITIES("true", "true"),
    CLOSEFD, {QMP_PEER_ANSWER, "{}", NULL},
    MIGRATION("{\"status\": \"active\"}"), MIGRATION("{\"status\": \"failed\"}"),
    NO_FD, STATE("running"), END};
static const QmpPeerStep as_left[] = {
    {QMP_PEER_GREET}, CAPABILITIES("true", "true"), NO_FD,
    MIGRATION(COMPLETED("77")), NO_FD, STATE("postmigrate"), CONT, END};
/* Somebody switched x-ignore-shared off after ours, and did nothing else. */
static const QmpPeerStep left_out[] = {
    {QMP_PEER_GREET}, CAPABILITIES("false", "true"), NO_FD,
    CAPABILITIES("false", "true"), MIGRATION(COMPLETED("77")), BLOCKS,
    MIGRATION(COMPLETED("77")), NO_FD, STATE("postmigrate"), CONT, END};
/* Put right by hand, and moved the ordinary way since: it runs elsewhere. */
static const QmpPeerStep carried[] = {
    {QMP_PEER_GREET}, CAPABILITIES("false", "true"), NO_FD,
    CAPABILITIES("false", "true"), MIGRATION(COMPLETED("17000")), BLOCKS,
    MIGRATION(COMPLETED("17000")), NO_FD, STATE("postmigrate"), END};
/* The same, with most of its memory free and left out. */
static const QmpPeerStep hinted[] = {
    {QMP_PEER_GREET}, CAPABILITIES("false", "true"), NO_FD,
    CAPABILITIES("false", "true"), MIGRATION(COMPLETED("2800")), BLOCKS,
    MIGRATION(COMPLETED("2800")), NO_FD, STATE("postmigrate"), END};
/* All three were switched off. */
static const QmpPeerStep all_off[] = {
    {QMP_PEER_GREET}, CAPABILITIES("false", "false"), NO_FD,
    CAPABILITIES("false", "false"), MIGRATION(COMPLETED("77")), BLOCKS,
    MIGRATION(COMPLETED("77")), NO_FD, STATE("postmigrate"), END};

typedef struct {
    const char *name;
    const QmpPeerStep *steps;
    bool begun, stays;
} Case;

static const Case cases[] = {
    {"no-answer", silent, false, true},  {"put-right", mended, false, false},
    {"unheard", unheard, true, false},   {"as-left", as_left, true, false},
    {"left-out", left_out, true, false}, {"carried", carried, true, false},
    {"hinted", hinted, true, false},     {"all-off", all_off, true, false},
};

static void
take_over(gconstpointer data)
{
    const Case *c = data;
    SessionScene s;
    g_autoptr(GError) error = NULL;
    session_scene_init(&s, MIGRATE_SEND);
    MigrateSession *session = s.session;
    QmpPeer *peer = qmp_peer_start(c->steps);
    session->options.qmp_path = (char *)qmp_peer_path(peer);
    session->options.resume = true;
    session->source.begun = session->guest.ran = c->begun;
    session->guest.ram->pages = 16384;
    session->guest.pid = getpid();
    g_assert_true(proc_life_started(session->guest.pid, &session->guest.started,
                                    &error));
    MigrateArchive *archive = session_scene_archive(&s, MIGRATE_SEND, &error);
    g_assert_no_error(error);
    g_assert_true(session_scene_write(&s, archive, &error));
    g_assert_cmpint(migrate_stages_run(session, &error), ==,
                    MIGRATE_EXIT_FAILED);
    g_assert_nonnull(error);
    g_autofree char *journal = session_scene_path(&s, ".journal");
    g_assert_cmpint(access(journal, F_OK) == 0, ==, c->stays);
    g_clear_pointer(&session->guest.qmp, qmp_client_close);
    qmp_peer_stop(peer);
    session_scene_clear(&s);
    migrate_archive_remove(archive);
}

/* The guest waits, and the network that broke may be the resolver's too. */
static void
knows_the_name(void)
{
    SessionScene s;
    g_autoptr(GError) error = NULL;
    session_scene_init(&s, MIGRATE_RECEIVE);
    MigrateSession *session = s.session;
    session->options.address = (char *)"postlude.invalid:7000";
    session->options.insecure = true;
    session->peer.address =
        wire_address_parse_known(session->options.address, "192.0.2.7", &error);
    g_assert_no_error(error);
    MigrateArchive *archive =
        session_scene_archive(&s, MIGRATE_RECEIVE, &error);
    g_assert_no_error(error);
    g_assert_true(session_scene_write(&s, archive, &error));
    g_auto(MigrateOptions)
        options = {.role = MIGRATE_RECEIVE, .pid = (int)session->guest.pid};
    g_auto(MigrateJournal) journal = {0};
    g_assert_true(migrate_resume_find(&options, &journal, &error));
    g_autoptr(MigrateSession) successor = migrate_session_new(&options);
    g_assert_true(migrate_trust_take_address(successor, &error));
    g_assert_cmpstr(wire_address_known(successor->peer.address), ==,
                    "192.0.2.7");
    session_scene_clear(&s);
    migrate_archive_remove(archive);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* What cannot be known is warned of. */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/resume/%s", cases[i].name);
        g_test_add_data_func(path, &cases[i], take_over);
    }
    g_test_add_func("/resume/knows-the-name", knows_the_name);
    return g_test_run();
}
