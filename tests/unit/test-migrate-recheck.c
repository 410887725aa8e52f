/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What QEMU says when it is asked again, and what that leads to. A monitor by
 * script; no guest.
 */
#include "migrate/drive/migrate-recheck.h"

#include <string.h>

#include "base/error.h"
#include "tests/support/qmp-peer.h"
#include "tests/unit/session-scene.h"

#define HEADING "              Block Name    PSize              Offset"           \
                "               Used              Total                HVA  RO\\r\\n"
#define LINE(name, used, hva)                                                  \
    "                     " name "    4 KiB  0x0000000000000000 " used         \
    " 0x0000000000010000 " hva "  rw\\r\\n"
#define RAM LINE("ram", "0x0000000000001000", "0x00007f0000000000")
#define ROM LINE("rom", "0x0000000000001000", "0x00007f1000000000")
#define TABLE(lines) "{\"human-readable-text\": \"" HEADING lines "\"}"
#define STATUS(status) "{\"running\": false, \"singlestep\": false, "          \
                       "\"status\": \"" status "\"}"
#define MIGRATION(status) "{\"status\": \"" status "\"}"

typedef bool (*Ask)(MigrateSession *session, GError **error);

typedef struct {
    const char *name;
    MigrateRole role;
    bool follow;
    Ask ask;
    const char *command, *answer;
    const char *refusal; /* NULL: it is fine */
    const char *status;  /* what "query-migrate" says then, or NULL: not asked */
} Case;

#define IDLE(name, role, follow, status, refusal)                              \
    {"idle/" name, role, follow, migrate_recheck_idle, "query-migrate",        \
     status, refusal}
#define STATE(role, status, refusal)                                           \
    {"state/" #role "/" status, role, false, migrate_recheck_run_state,        \
     "query-status", STATUS(status), refusal}
#define LEFT(name, migration, refusal)                                         \
    {"left/" name, MIGRATE_SEND, false, migrate_recheck_run_state,             \
     "query-status", STATUS("postmigrate"), refusal, MIGRATION(migration)}
#define BLOCKS(name, lines, refusal)                                           \
    {"blocks/" name, MIGRATE_SEND, false, migrate_recheck_blocks,              \
     "x-query-ramblock", TABLE(lines), refusal}
#define OTHER "in the middle of another migration"

static const Case cases[] = {
    IDLE("never", MIGRATE_SEND, false, "{}", NULL),
    IDLE("arrived", MIGRATE_SEND, false, MIGRATION("completed"), NULL),
    IDLE("cancelled", MIGRATE_SEND, false, MIGRATION("cancelled"), NULL),
    IDLE("setup", MIGRATE_SEND, false, MIGRATION("setup"), OTHER),
    IDLE("active", MIGRATE_SEND, false, MIGRATION("active"), OTHER),
    IDLE("active-followed", MIGRATE_SEND, true, MIGRATION("active"), OTHER),
    IDLE("postcopy", MIGRATE_SEND, false, MIGRATION("postcopy-active"), OTHER),
    IDLE("later", MIGRATE_SEND, false, MIGRATION("not-invented-yet"), OTHER),
    IDLE("listens", MIGRATE_RECEIVE, false, MIGRATION("setup"), OTHER),
    IDLE("listens-followed", MIGRATE_RECEIVE, true, MIGRATION("setup"), NULL),
    IDLE("comes-followed", MIGRATE_RECEIVE, true, MIGRATION("active"), OTHER),
    STATE(MIGRATE_SEND, "running", NULL),
    STATE(MIGRATE_SEND, "paused", NULL),
    STATE(MIGRATE_SEND, "prelaunch", NULL),
    LEFT("completed", "completed", "may run elsewhere"),
    LEFT("cancelled", "cancelled", "still here"),
    LEFT("failed", "failed", "still here"),
    STATE(MIGRATE_SEND, "inmigrate", "waits for a guest itself"),
    STATE(MIGRATE_SEND, "guest-panicked", "only a running or paused one"),
    STATE(MIGRATE_SEND, "shutdown", "only a running or paused one"),
    STATE(MIGRATE_SEND, "finish-migrate", "only a running or paused one"),
    STATE(MIGRATE_RECEIVE, "inmigrate", NULL),
    STATE(MIGRATE_RECEIVE, "running", "not waiting for a guest"),
    STATE(MIGRATE_RECEIVE, "paused", "not waiting for a guest"),
    BLOCKS("same", RAM ROM, NULL),
    BLOCKS("rom-grown",
           RAM LINE("rom", "0x0000000000002000", "0x00007f1000000000"), NULL),
    BLOCKS("added", RAM ROM LINE("late", "0x0000000000001000",
                                 "0x00007f2000000000"),
           "RAM block 'late' was added"),
    BLOCKS("rom-gone", RAM, "RAM block 'rom' was taken away"),
    BLOCKS("ram-gone", ROM, "RAM block 'ram' was taken away"),
    BLOCKS("resized",
           LINE("ram", "0x0000000000002000", "0x00007f0000000000") ROM,
           "RAM block 'ram' has another size"),
    BLOCKS("replaced",
           LINE("ram", "0x0000000000001000", "0x00007f3000000000") ROM,
           "RAM block 'ram' was replaced"),
};

static void
know(MigrateSession *session, const char *name)
{
    QmpRamBlock block = {.name = g_strdup(name), .bytes = 4096};
    g_array_append_val(session->guest.blocks, block);
}

static void
ask(gconstpointer data)
{
    const Case *c = data;
    const QmpPeerStep steps[] = {{QMP_PEER_GREET},
                                 {QMP_PEER_HEAR, c->command, NULL},
                                 {QMP_PEER_ANSWER, c->answer, NULL},
                                 {c->status ? QMP_PEER_HEAR : QMP_PEER_END,
                                  "query-migrate", NULL},
                                 {QMP_PEER_ANSWER, c->status, NULL},
                                 {QMP_PEER_END}};
    SessionScene s;
    g_autoptr(GError) error = NULL;
    session_scene_init(&s, c->role);
    MigrateSession *session = s.session;
    QmpPeer *peer = qmp_peer_start(steps);
    session->guest.qmp = qmp_client_open(qmp_peer_path(peer), 10000, &error);
    g_assert_no_error(error);
    session->options.follow = c->follow;
    session->guest.ram->blocks[0].hva = 0x7f0000000000;
    session->guest.blocks = g_array_new(false, true, sizeof(QmpRamBlock));
    g_array_set_clear_func(session->guest.blocks,
                           (GDestroyNotify)qmp_ram_block_clear);
    know(session, "ram");
    know(session, "rom");
    g_assert_cmpint(c->ask(session, &error), ==, !c->refusal);
    if (c->refusal) {
        g_assert_true(error_is(error, ERROR_STATE));
        g_assert_nonnull(strstr(error->message, c->refusal));
    }
    g_clear_pointer(&session->guest.qmp, qmp_client_close);
    qmp_peer_stop(peer);
    session_scene_clear(&s);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/recheck/%s", cases[i].name);
        g_test_add_data_func(path, &cases[i], ask);
    }
    return g_test_run();
}
