/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The switchover at the source, step by step: what QEMU, its operator and the
 * destination may do in the middle of each, and whose the guest is then. A
 * monitor by script, a destination by hand; no guest.
 */
#include "migrate/session/migrate-mailbox.h"
#include "migrate/session/migrate-wait.h"
#include "migrate/drive/migrate-handover.h"

#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/unit/link-scene.h"

typedef bool (*Step)(MigrateSession *session, GError **error);

typedef struct {
    const char *name;
    const QmpPeerStep *steps;
    bool begun;     /* afterwards: what QEMU migrates is ours */
    bool guest_ran; /* afterwards */
    ErrorCode code;
    const char *words; /* NULL: it works */
} Case;

/* Up to "migrate", and up to the wait for the switchover. */
#define LOOKED                                                                 \
    {QMP_PEER_GREET}, TOLD("getfd"), MIGRATION("{}"), STATE_IS("running")
#define MIGRATES LOOKED, SAME_GUEST, TOLD("\"migrate\"")
#define ACTIVE                                                                 \
    MIGRATES, ALL_ON, SAYS_MIGRATION("setup"), SAYS_MIGRATION("active")
#define END                                                                    \
    {                                                                          \
        QMP_PEER_END                                                           \
    }

static const QmpPeerStep waits[] = {ACTIVE, SAYS_MIGRATION("pre-switchover"),
                                    SAYS("STOP"), END};
static const QmpPeerStep changed[] = {LOOKED, OTHER_RAM, END};
static const QmpPeerStep busy[] = {
    {QMP_PEER_GREET}, TOLD("getfd"), MIGRATION_IS("active"), END};
static const QmpPeerStep no_socket[] = {
    {QMP_PEER_GREET}, REFUSED("getfd", "no descriptor came"), END};
static const QmpPeerStep refused[] = {
    LOOKED, SAME_GUEST, REFUSED("\"migrate\"", "a device cannot move"), END};
static const QmpPeerStep unknown[] = {
    LOOKED,
    SAME_GUEST,
    {QMP_PEER_HEAR, "\"migrate\"", NULL},
    {QMP_PEER_REFUSE, "CommandNotFound", "no such command"},
    END};
static const QmpPeerStep unanswered[] = {
    LOOKED, SAME_GUEST, {QMP_PEER_HEAR, "\"migrate\"", NULL}, {QMP_PEER_CLOSE}};
static const QmpPeerStep left_out_off[] = {MIGRATES, CAPABILITIES(ON, ON, OFF),
                                           END};
static const QmpPeerStep pause_off[] = {MIGRATES, CAPABILITIES(ON, OFF, ON),
                                        END};
static const QmpPeerStep return_off[] = {MIGRATES, CAPABILITIES(OFF, ON, ON),
                                         END};
static const QmpPeerStep fails_active[] = {ACTIVE, SAYS_MIGRATION("failed"),
                                           MIGRATION_FAILED("the disk is busy"),
                                           END};
static const QmpPeerStep cancelled[] = {ACTIVE, SAYS_MIGRATION("cancelling"),
                                        SAYS_MIGRATION("cancelled"),
                                        MIGRATION_IS("cancelled"), END};
static const QmpPeerStep goes_past[] = {ACTIVE, SAYS_MIGRATION("device"),
                                        SAYS_MIGRATION("completed"), END};
static const QmpPeerStep ends_active[] = {ACTIVE, {QMP_PEER_CLOSE}};
/* Somebody says "stop" before QEMU does; and "cont" after it. */
static const QmpPeerStep stopped[] = {ACTIVE, SAYS("STOP"), STATE_IS("paused"),
                                      SAYS_MIGRATION("pre-switchover"), END};
static const QmpPeerStep stopped_by_qemu[] = {
    ACTIVE, SAYS("STOP"), STATE_IS("finish-migrate"),
    SAYS_MIGRATION("pre-switchover"), END};
static const QmpPeerStep started_again[] = {ACTIVE,
                                            SAYS("STOP"),
                                            STATE_IS("paused"),
                                            SAYS("RESUME"),
                                            SAYS("STOP"),
                                            STATE_IS("finish-migrate"),
                                            SAYS_MIGRATION("pre-switchover"),
                                            END};
static const QmpPeerStep stopped_and_mute[] = {
    ACTIVE, SAYS("STOP"), REFUSED("query-status", "not now"),
    SAYS_MIGRATION("pre-switchover"), END};
/* Before QEMU's migration has begun a stop is whoever's, and meant. */
static const QmpPeerStep stopped_early[] = {MIGRATES,
                                            SAYS("STOP"),
                                            ALL_ON,
                                            SAYS_MIGRATION("setup"),
                                            SAYS_MIGRATION("active"),
                                            SAYS_MIGRATION("pre-switchover"),
                                            END};

static const Case freezes[] = {
    {"waits-for-us", waits, true, true, 0, NULL},
    {"other-ram", changed, false, true, ERROR_STATE, "has another size"},
    {"another-migration", busy, false, true, ERROR_STATE, "another migration"},
    {"no-socket", no_socket, false, true, ERROR_FAILED, "no descriptor"},
    {"refused", refused, false, true, ERROR_FAILED, "cannot move"},
    {"not-known", unknown, false, true, ERROR_UNSUPPORTED, "no such command"},
    {"unanswered", unanswered, true, true, ERROR_VM_GONE, ""},
    {"x-ignore-shared-off", left_out_off, true, true, ERROR_STATE,
     "x-ignore-shared was switched off"},
    {"pause-off", pause_off, true, true, ERROR_STATE,
     "pause-before-switchover was switched off"},
    {"return-path-off", return_off, true, true, ERROR_STATE,
     "return-path was switched off"},
    {"fails-at-active", fails_active, true, true, ERROR_FAILED,
     "failed: the disk is busy"},
    {"cancelled", cancelled, true, true, ERROR_FAILED, "cancelled"},
    {"goes-past", goes_past, true, true, ERROR_STATE, "without waiting"},
    {"ends-at-active", ends_active, true, true, ERROR_VM_GONE, "switchover"},
    {"stop/by-somebody", stopped, true, false, 0, NULL},
    {"stop/by-qemu", stopped_by_qemu, true, true, 0, NULL},
    {"stop/and-started-again", started_again, true, true, 0, NULL},
    {"stop/not-said-by-whom", stopped_and_mute, true, true, 0, NULL},
    {"stop/before-it-began", stopped_early, true, false, 0, NULL},
};

static void
run_case(const Case *c, Step step, const char *status)
{
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_SEND, c->steps);
    s.session->guest.migration = g_strdup(status);
    s.session->source.begun = status != NULL;
    bool ok = step(s.session, &error);
    if (c->words) {
        g_assert_true(error_is(error, c->code));
        g_assert_nonnull(strstr(error->message, c->words));
    } else {
        g_assert_no_error(error);
    }
    g_assert_cmpint(ok, ==, !c->words);
    g_assert_cmpint(s.session->source.begun, ==, c->begun);
    g_assert_cmpint(s.session->guest.ran, ==, c->guest_ran);
    g_assert_false(s.session->past_no_return);
    link_scene_clear(&s);
}

static void
freeze(gconstpointer data)
{
    run_case(data, migrate_handover_freeze, NULL);
}

#define GOES {QMP_PEER_GREET}, SAME_GUEST, SAYS_MIGRATION("device")

static const QmpPeerStep arrives[] = {GOES, SAYS_MIGRATION("completed"), END};
static const QmpPeerStep plugged[] = {{QMP_PEER_GREET}, OTHER_RAM, END};
static const QmpPeerStep fails_device[] = {
    GOES, SAYS_MIGRATION("failed"), MIGRATION_FAILED("it did not load"), END};
static const QmpPeerStep fails_mute[] = {
    GOES, SAYS_MIGRATION("failed"), REFUSED("query-migrate", "not now"), END};
static const QmpPeerStep ends_device[] = {GOES, {QMP_PEER_CLOSE}};

static const Case carries[] = {
    {"completed", arrives, true, true, 0, NULL},
    {"plugged-in-time", plugged, true, true, ERROR_STATE, "has another size"},
    {"fails-at-device", fails_device, true, true, ERROR_FAILED,
     "it did not load"},
    {"fails-without-a-word", fails_mute, true, true, ERROR_FAILED,
     "device state failed;"},
    {"ends-at-device", ends_device, true, true, ERROR_VM_GONE, "hand over"},
};

static void
carry(gconstpointer data)
{
    run_case(data, migrate_handover_carry, "pre-switchover");
}

/* What the destination says, or does, after RUN; or instead of hearing it. */
typedef struct {
    const char *name;
    const QmpPeerStep *steps;
    void (*destination)(LinkScene *scene);
    bool hears_run; /* and then acts, on a thread of its own */
    bool ok, refused, ended;
} Commit;

static const QmpPeerStep quiet[] = {{QMP_PEER_GREET}, END};
static const QmpPeerStep started[] = {
    {QMP_PEER_GREET}, {QMP_PEER_WAIT}, SAYS("RESUME"), END};

static void
says_nothing(LinkScene *s)
{
    link_scene_let_monitor_speak(s);
}

static void
hears_and_says(LinkScene *s, unsigned type, GByteArray *payload)
{
    link_scene_hear(s->control, WIRE_FRAME_RUN);
    link_scene_say(s->control, type, payload);
}

static void
says_running(LinkScene *s)
{
    hears_and_says(s, WIRE_FRAME_RUNNING, NULL);
}

static GByteArray *
refusal(void)
{
    GByteArray *payload = g_byte_array_new();
    wire_abort_encode("the disk is locked", payload);
    return payload;
}

static void
says_abort(LinkScene *s)
{
    hears_and_says(s, WIRE_FRAME_ABORT, refusal());
}

static void
says_abort_early(LinkScene *s)
{
    link_scene_say(s->control, WIRE_FRAME_ABORT, refusal());
}

static void
says_ended(LinkScene *s)
{
    hears_and_says(s, WIRE_FRAME_ENDED, link_scene_ended(WIRE_ENDED_SHUT_DOWN));
}

static void
comes_back(LinkScene *s)
{
    WireWelcome welcome;
    autofd fd =
        link_scene_dial(s, WIRE_ROLE_CONTROL, 0, s->session->peer.id, &welcome);
    link_scene_say(
        fd, WIRE_FRAME_RECONNECT,
        link_scene_reconnect(WIRE_RECONNECT_STARTED | WIRE_RECONNECT_COMPLETE));
    wire_peer_drain(fd);
}

/* A word that is none here costs the connection, and nothing else. */
static void
says_armed_and_comes_back(LinkScene *s)
{
    hears_and_says(s, WIRE_FRAME_ARMED, NULL);
    wire_peer_drain(s->control);
    comes_back(s);
}

/* RUN cannot be said, or not be heard; it had been said, for all we know. */
static void
hangs_up(LinkScene *s)
{
    fd_clear(&s->control);
}

static void
takes_nothing_and_comes_back(LinkScene *s)
{
    shutdown(s->control, SHUT_RD);
    link_scene_play(s, comes_back);
}

static const Commit commits[] = {
    {"running", quiet, says_running, true, true, false, false},
    {"started-here", started, says_nothing, false, false, false, false},
    {"aborted-before", quiet, says_abort_early, false, false, false, false},
    {"aborted-after", quiet, says_abort, true, false, true, false},
    {"ended", quiet, says_ended, true, true, false, true},
    {"nonsense", quiet, says_armed_and_comes_back, true, true, false, false},
    {"lost-before", quiet, hangs_up, false, false, false, false},
    {"not-sent", quiet, takes_nothing_and_comes_back, false, true, false,
     false},
};

static void
commit(gconstpointer data)
{
    const Commit *c = data;
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_SEND, c->steps);
    s.session->guest.migration = g_strdup("completed");
    s.session->source.begun = true;
    s.session->guest.stopped_us = g_get_real_time() - 1000;
    if (c->hears_run) {
        link_scene_play(&s, c->destination);
    } else {
        c->destination(&s);
    }
    g_assert_cmpint(migrate_handover_commit(s.session, &error), ==, c->ok);
    g_assert_cmpint(error == NULL, ==, c->ok);
    g_assert_cmpint(s.session->past_no_return, ==, c->ok);
    g_assert_cmpint(s.session->peer.refused, ==, c->refused);
    g_assert_cmpint(s.session->guest.ended != 0, ==, c->ended);
    g_assert_cmpint(s.session->source.running, ==, c->ok);
    g_assert_cmpint(s.session->report.downtime_ms >= 1, ==,
                    c->destination == says_running);
    if (!c->hears_run && s.control >= 0) { /* nor does it */
        char byte;
        g_assert_cmpint(recv(s.control, &byte, 1, MSG_DONTWAIT), <=, 0);
    }
    link_scene_clear(&s);
}

/* The capability is left on in a QEMU that lives and says nothing; libvirt ends
 * the one that is not needed any more. */
static void
restore(gconstpointer data)
{
    static const QmpPeerStep steps[] = {
        {QMP_PEER_GREET}, ALL_ON,
        ALL_ON,           ALL_ON,
        ALL_ON,           {QMP_PEER_HEAR, "migrate-set-capabilities", NULL},
        {QMP_PEER_CLOSE}};
    bool ends = GPOINTER_TO_INT(data);
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_SEND, steps);
    s.session->guest.capability =
        migrate_capability_set_following(s.session->guest.qmp, true, &error);
    g_assert_no_error(error);
    if (ends) {
        session_scene_end_qemu(&s.guest);
    }
    g_assert_cmpint(migrate_handover_restore(s.session), ==, ends);
    g_assert_null(s.session->guest.capability);
    g_assert_true(migrate_handover_restore(s.session)); /* nothing is left */
    link_scene_clear(&s);
}

#define ADD(group, cases, run)                                                 \
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {                         \
        g_autofree char *path =                                                \
            g_strconcat("/handover/" group "/", cases[i].name, NULL);          \
        g_test_add_data_func(path, &cases[i], run);                            \
    }

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* What is lost, or cannot be looked at, is warned of. */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    ADD("freeze", freezes, freeze)
    ADD("carry", carries, carry)
    ADD("commit", commits, commit)
    g_test_add_data_func("/handover/restore/lives", GINT_TO_POINTER(false),
                         restore);
    g_test_add_data_func("/handover/restore/ends", GINT_TO_POINTER(true),
                         restore);
    return g_test_run();
}
