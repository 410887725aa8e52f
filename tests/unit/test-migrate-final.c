/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The source's last words before the guest runs here: heard, not heard, and
 * maybe said. A monitor by script, a source by hand; no guest.
 */
#include "migrate/drive/migrate-final.h"

#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/unit/link-scene.h"

#define END                                                                    \
    {                                                                          \
        QMP_PEER_END                                                           \
    }

typedef struct {
    const char *name;
    const QmpPeerStep *steps;
    void (*source)(LinkScene *scene); /* before it is listened to */
    bool again; /* it lets us in again, and has said RUN */
    bool gone;  /* QEMU's process */
    bool left;  /* afterwards: the guest is not to be started */
    ErrorCode code;
    const char *words; /* NULL: RUN was heard */
} Case;

static const QmpPeerStep quiet[] = {{QMP_PEER_GREET}, END};
static const QmpPeerStep starts[] = {{QMP_PEER_GREET}, SAYS("RESUME"), END};
static const QmpPeerStep fails[] = {
    {QMP_PEER_GREET}, SAYS_MIGRATION("failed"), END};
static const QmpPeerStep loads[] = {
    {QMP_PEER_GREET}, SAYS_MIGRATION("completed"), END};
static const QmpPeerStep closes[] = {{QMP_PEER_GREET}, {QMP_PEER_CLOSE}};
#define LOADED {QMP_PEER_GREET}, SAYS_MIGRATION("completed"), BLOCKS(RAM_LINE)
static const QmpPeerStep paused[] = {LOADED, STATE_IS("paused"), END};
static const QmpPeerStep panicked[] = {LOADED, STATE_IS("guest-panicked"), END};
static const QmpPeerStep changed[] = {
    {QMP_PEER_GREET}, SAYS_MIGRATION("completed"), OTHER_RAM, END};

static void
say_all(LinkScene *s)
{
    link_scene_say(s->control, WIRE_FRAME_EXTENTS, link_scene_extents());
    link_scene_say(s->control, WIRE_FRAME_STOPPED, NULL);
    link_scene_say(s->control, WIRE_FRAME_RUN, link_scene_run(true));
}

static void
say_nothing(LinkScene *s)
{
}

static void
say_run_only(LinkScene *s)
{
    link_scene_say(s->control, WIRE_FRAME_RUN, link_scene_run(true));
}

static void
say_cut_run(LinkScene *s)
{
    link_scene_say(s->control, WIRE_FRAME_EXTENTS, link_scene_extents());
    link_scene_say(s->control, WIRE_FRAME_STOPPED, NULL);
    wire_peer_say_frame(s->control, WIRE_FRAME_RUN, 1, "\1", 1);
}

static void
say_abort(LinkScene *s)
{
    GByteArray *payload = g_byte_array_new();
    wire_abort_encode("QEMU failed there", payload);
    link_scene_say(s->control, WIRE_FRAME_ABORT, payload);
    shutdown(s->control, SHUT_WR);
}

static void
hang_up(LinkScene *s)
{
    shutdown(s->control, SHUT_WR);
}

static void
hang_up_in_between(LinkScene *s)
{
    link_scene_say(s->control, WIRE_FRAME_EXTENTS, link_scene_extents());
    hang_up(s);
}

static void
lose_a_stream(LinkScene *s)
{
    g_autoptr(GError) why = NULL;
    error_set(&why, ERROR_PEER_GONE, "a bulk connection ended early");
    migrate_alarm_raise(&s->session->alarm, g_steal_pointer(&why));
}

static const Case cases[] = {
    {"heard", quiet, say_all},
    {"nonsense/run-only", loads, say_run_only, .code = ERROR_PROTOCOL,
     .words = "RUN instead of EXTENTS"},
    {"nonsense/run-cut-short", loads, say_cut_run, .code = ERROR_PROTOCOL,
     .words = "RUN"},
    {"aborted", quiet, say_abort, .code = ERROR_PEER_GONE,
     .words = "QEMU failed there"},
    /* Its own word counts, whatever QEMU has loaded. */
    {"aborted/loaded", loads, say_abort, .code = ERROR_PEER_GONE,
     .words = "QEMU failed there"},
    {"started-here", starts, say_nothing, .code = ERROR_STATE,
     .words = "started"},
    {"lost/failed", fails, hang_up, .code = ERROR_PEER_GONE, .words = "lost"},
    {"lost/gone", closes, hang_up, .gone = true, .code = ERROR_VM_GONE,
     .words = ""},
    {"lost/loaded", loads, hang_up, .again = true},
    {"lost/in-between", loads, hang_up_in_between, .again = true},
    {"lost/a-stream", loads, lose_a_stream, .again = true},
    {"lost/for-good", loads, hang_up, .code = ERROR_PEER_GONE,
     .words = "could not be reached again"},
    {"silent/paused", paused, say_nothing, .again = true},
    {"silent/panicked", panicked, say_nothing, .again = true, .left = true},
    {"loaded/other-ram", changed, say_nothing, .code = ERROR_STATE,
     .words = "has another size"},
};

/* Whether it had said RUN, only it knows: it says it again. */
static void
let_in_again(LinkScene *s)
{
    link_scene_let_in_again(s, 0, 1);
}

static void
hear(gconstpointer data)
{
    const Case *c = data;
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_RECEIVE, c->steps);
    MigrateSession *session = s.session;
    c->source(&s);
    if (c->gone) {
        session_scene_end_qemu(&s.guest);
        /* Before that the lost connection is what is heard first. */
        for (int n = 0; qmp_client_pump(session->guest.qmp, NULL); n++) {
            g_assert_cmpint(n, <, 10000);
            g_usleep(1000);
        }
    }
    if (c->again) {
        link_scene_play(&s, let_in_again);
    } else {
        fd_clear(&s.listener);
    }
    g_assert_cmpint(migrate_final_hear(session, &error), ==, !c->words);
    if (c->words) {
        g_assert_true(error_is(error, c->code));
        g_assert_nonnull(strstr(error->message, c->words));
    } else {
        g_assert_no_error(error);
        g_assert_true(session->peer.linked);
        g_assert_true(session->destination.start_guest);
        g_assert_cmpuint(session->peer.rejoins, ==, c->again);
    }
    g_assert_false(session->past_no_return); /* it does not run here yet */
    g_assert_cmpint(session->destination.left, ==, c->left);
    link_scene_clear(&s);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* What is lost is warned of. */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strconcat("/final/", cases[i].name, NULL);
        g_test_add_data_func(path, &cases[i], hear);
    }
    return g_test_run();
}
