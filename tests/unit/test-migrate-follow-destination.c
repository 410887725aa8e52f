/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Following QEMU at the destination: its driver may start the guest at any
 * moment from READY on, and the source may be lost at any other. Either the
 * guest lives here, and then its source is needed, or this QEMU ends. A monitor
 * by script, a source by hand; a process stands for QEMU.
 */
#include "migrate/drive/migrate-follow-destination.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/proc-life.h"
#include "migrate/drive/migrate-follow.h"
#include "tests/unit/link-scene.h"

#define END_MS 10000
#define END                                                                    \
    {                                                                          \
        QMP_PEER_END                                                           \
    }
#define ARMS {QMP_PEER_GREET}, SAME_GUEST, ALL_ON
#define READY ARMS, ALL_ON

typedef enum {
    GUEST_COMES, /* it is to run here, and is served */
    GUEST_STAYS, /* it does not; error */
    GUEST_ENDED, /* it ran here, and ended */
} Outcome;

typedef struct {
    const char *name;
    const QmpPeerStep *steps;
    void (*source)(LinkScene *scene); /* on a thread of its own */
    bool ended;                       /* QEMU's process, from the beginning */
    Outcome outcome;
    const char *words; /* if it stays */
    bool put_down;     /* QEMU is ended by us */
} Case;

static const QmpPeerStep ready[] = {READY, END};
/* The driver is quicker than whatever the source says. */
static const QmpPeerStep starts[] = {ARMS, SAYS("RESUME"), ALL_ON, END};
static const QmpPeerStep starts_and_ends[] = {ARMS,
                                              SAYS("RESUME"),
                                              ALL_ON,
                                              SAYS("STOP"),
                                              SAYS_SHUTDOWN("guest-shutdown"),
                                              {QMP_PEER_CLOSE}};
static const QmpPeerStep starts_later[] = {
    READY, {QMP_PEER_WAIT}, SAYS("RESUME"), END};
static const QmpPeerStep changed[] = {{QMP_PEER_GREET}, OTHER_RAM, END};
static const QmpPeerStep ends[] = {READY, {QMP_PEER_CLOSE}};
static const QmpPeerStep ends_later[] = {
    READY, {QMP_PEER_WAIT}, {QMP_PEER_CLOSE}};
static const QmpPeerStep is_put_down[] = {
    READY, STATE_IS("inmigrate"), {QMP_PEER_WAIT}, {QMP_PEER_CLOSE}};
static const QmpPeerStep runs_already[] = {READY, STATE_IS("running"), END};

static void
say_nothing(LinkScene *s)
{
    link_scene_hear(s->control, WIRE_FRAME_READY);
}

static void
say_run(LinkScene *s)
{
    say_nothing(s);
    link_scene_say(s->control, WIRE_FRAME_RUN, link_scene_run(true));
}

static void
say_all(LinkScene *s)
{
    say_nothing(s);
    link_scene_say(s->control, WIRE_FRAME_EXTENTS, link_scene_extents());
    link_scene_say(s->control, WIRE_FRAME_STOPPED, NULL);
    link_scene_say(s->control, WIRE_FRAME_RUN, link_scene_run(true));
}

/* QEMU does not hang up before its process has ended. */
static int qemu_now = -1;

static void
wait_for_end(LinkScene *s)
{
    struct pollfd p = {.fd = qemu_now, .events = POLLIN};
    g_assert_cmpint(poll(&p, 1, END_MS), ==, 1);
    qmp_peer_go(s->monitor);
}

static void
hang_up(LinkScene *s)
{
    say_nothing(s);
    shutdown(s->control, SHUT_RDWR);
    if (s->monitor) {
        wait_for_end(s);
    }
}

static void
lose_a_stream(LinkScene *s)
{
    say_nothing(s);
    shutdown(s->bulk, SHUT_RDWR);
    wait_for_end(s);
}

static void
just_hang_up(LinkScene *s)
{
    say_nothing(s);
    shutdown(s->control, SHUT_RDWR);
}

static void
say_done(LinkScene *s)
{
    say_nothing(s);
    link_scene_say(s->control, WIRE_FRAME_DONE, NULL);
    wait_for_end(s);
}

static void
say_extents_twice(LinkScene *s)
{
    say_nothing(s);
    link_scene_say(s->control, WIRE_FRAME_EXTENTS, link_scene_extents());
    link_scene_say(s->control, WIRE_FRAME_EXTENTS, link_scene_extents());
    wait_for_end(s);
}

static void
say_cut_run(LinkScene *s)
{
    say_nothing(s);
    wire_peer_say_frame(s->control, WIRE_FRAME_RUN, 1, "\1", 1);
    wait_for_end(s);
}

/* And then whatever the driver does. */
static void
say_abort(LinkScene *s)
{
    GByteArray *payload = g_byte_array_new();
    say_nothing(s);
    wire_abort_encode("libvirt gave up", payload);
    link_scene_say(s->control, WIRE_FRAME_ABORT, payload);
    g_usleep(20000);
    qmp_peer_go(s->monitor);
}

/* The source once more, at its address: RUN was said. */
static void
let_in_again(LinkScene *s)
{
    link_scene_let_in_again(s, WIRE_RECONNECT_STARTED, 1);
}

#define STAYS(words) GUEST_STAYS, "QEMU ended here before the guest ran: " words

static const Case arrivals[] = {
    {"run", ready, say_run, false, GUEST_COMES},
    {"all-words", ready, say_all, false, GUEST_COMES},
    {"started", starts, say_nothing, false, GUEST_COMES},
    {"started-and-ended", starts_and_ends, say_nothing, true, GUEST_ENDED},
    {"changed", changed, NULL, false, GUEST_STAYS, "has another size"},
    {"ends", ends, say_nothing, true, STAYS("")},
    {"lost", is_put_down, hang_up, false, STAYS(""), true},
    {"lost/a-stream", is_put_down, lose_a_stream, false, STAYS(""), true},
    {"lost/runs-already", runs_already, just_hang_up, false, GUEST_COMES},
    {"nonsense/done", is_put_down, say_done, false, STAYS(""), true},
    {"nonsense/extents-twice", is_put_down, say_extents_twice, false, STAYS(""),
     true},
    {"nonsense/run-cut-short", is_put_down, say_cut_run, false, STAYS(""),
     true},
    {"aborted/ends", ends_later, say_abort, true, STAYS("")},
    {"aborted/started", starts_later, say_abort, false, GUEST_COMES},
};

static void
check(LinkScene *s, const Case *c, bool ok, const GError *error)
{
    g_assert_cmpint(ok, ==, c->outcome != GUEST_STAYS);
    g_assert_cmpint(s->session->past_no_return, ==, c->outcome != GUEST_STAYS);
    /* That it ended may be for the stage after this: its start was heard first.
     */
    if (s->session->guest.ended) {
        g_assert_cmpint(c->outcome, ==, GUEST_ENDED);
        g_assert_cmpint(s->session->guest.ended, ==, WIRE_ENDED_SHUT_DOWN);
    }
    if (c->outcome == GUEST_STAYS) {
        g_assert_nonnull(strstr(error->message, c->words));
    } else {
        g_assert_no_error(error);
    }
    g_assert_cmpint(s->session->destination.follow.end_told, ==, c->put_down);
    g_assert_cmpint(proc_life_has_ended(s->session->guest.pidfd, 0), ==,
                    c->put_down || c->ended);
}

static void
arrive(gconstpointer data)
{
    const Case *c = data;
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_RECEIVE, c->steps);
    s.session->options.follow = true;
    s.session->driver = &migrate_follow;
    qemu_now = (int)syscall(SYS_pidfd_open, s.guest.qemu, 0);
    g_assert_cmpint(qemu_now, >=, 0);
    if (c->ended) {
        session_scene_end_qemu(&s.guest);
    }
    if (c->source) {
        link_scene_play(&s, c->source);
    }
    bool ok = migrate_follow_destination_arrive(s.session, &error);
    check(&s, c, ok, error);
    link_scene_clear(&s);
    fd_clear(&qemu_now);
}

static bool
not_heard(GError **error)
{
    return error_set(error, ERROR_STATE, "nobody is there to hear it");
}

/* The parent of --detach has gone: the driver does not know of us. */
static void
not_ready(void)
{
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_RECEIVE, ready);
    s.session->options.follow = true;
    s.session->options.on_ready = not_heard;
    g_assert_false(migrate_follow_destination_arrive(s.session, &error));
    g_assert_nonnull(strstr(error->message, "nobody is there"));
    g_assert_false(s.session->past_no_return);
    link_scene_clear(&s);
}

/* The stage after: RUN was heard, or the guest started, or both. */
typedef struct {
    Case common;
    bool runs, run_heard, complete;
    bool announced;
} After;

static const QmpPeerStep quiet[] = {{QMP_PEER_GREET}, END};
static const QmpPeerStep resumes[] = {
    {QMP_PEER_GREET}, {QMP_PEER_WAIT}, SAYS("RESUME"), END};
static const QmpPeerStep closes[] = {{QMP_PEER_GREET}, {QMP_PEER_CLOSE}};
static const QmpPeerStep powers_off[] = {
    {QMP_PEER_GREET}, SAYS_SHUTDOWN("guest-shutdown"), {QMP_PEER_CLOSE}};

static void
start_guest(LinkScene *s)
{
    qmp_peer_go(s->monitor);
    link_scene_hear(s->control, WIRE_FRAME_PROGRESS);
    wire_peer_drain(s->control);
}

static void
hear_running(LinkScene *s)
{
    link_scene_hear(s->control, WIRE_FRAME_RUNNING);
    wire_peer_drain(s->control);
}

static void
say_late(LinkScene *s)
{
    link_scene_say(s->control, WIRE_FRAME_EXTENTS, link_scene_extents());
    link_scene_say(s->control, WIRE_FRAME_STOPPED, NULL);
    link_scene_say(s->control, WIRE_FRAME_RUN, link_scene_run(true));
    hear_running(s);
}

static void
lose(LinkScene *s)
{
    shutdown(s->control, SHUT_RDWR);
    let_in_again(s);
}

static void
do_nothing(LinkScene *s)
{
}

static const After afters[] = {
    {{"complete", quiet, hear_running, false, GUEST_COMES},
     true,
     true,
     true,
     true},
    {{"started-late", resumes, start_guest, false, GUEST_COMES},
     false,
     true,
     true,
     true},
    {{"words-late", quiet, say_late, false, GUEST_COMES},
     true,
     false,
     false,
     true},
    {{"lost", quiet, lose, false, GUEST_COMES}, true, true, false, true},
    {{"ended", powers_off, do_nothing, true, GUEST_ENDED},
     true,
     true,
     false,
     true},
    {{"ended-before-it-ran", closes, do_nothing, true, STAYS("")},
     false,
     true,
     false,
     false},
    {{"ended-complete-before-it-ran", closes, do_nothing, true, STAYS("")},
     false,
     true,
     true,
     false},
};

static void
after(gconstpointer data)
{
    const After *c = data;
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_RECEIVE, c->common.steps);
    MigrateSession *session = s.session;
    session->options.follow = true;
    session->past_no_return = session->destination.start_guest = true;
    session->guest.resumed = session->destination.ran = c->runs;
    session->destination.follow.run_heard = c->run_heard;
    session->destination.follow.final_heard = c->complete;
    session->destination.wanted[0][0] = !c->complete;
    if (c->common.ended) {
        session_scene_end_qemu(&s.guest);
    }
    link_scene_play(&s, c->common.source);
    bool ok = migrate_follow_destination_postcopy(session, &error);
    check(&s, &c->common, ok, error);
    g_assert_cmpint(s.session->guest.ended != 0, ==,
                    c->common.outcome == GUEST_ENDED);
    g_assert_cmpint(session->destination.follow.announced, ==, c->announced);
    link_scene_clear(&s);
}

/* Left paused at the source: nobody starts it, and its source is needed. */
static void
paused(void)
{
    LinkScene s;
    g_autoptr(GError) error = NULL;
    link_scene_init(&s, MIGRATE_RECEIVE, quiet);
    s.session->options.follow = s.session->past_no_return = true;
    s.session->destination.follow.run_heard = true;
    s.session->destination.follow.final_heard = true;
    g_assert_true(migrate_follow_destination_postcopy(s.session, &error));
    link_scene_hear(s.control, WIRE_FRAME_RUNNING);
    link_scene_clear(&s);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* What is lost is warned of. */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    for (size_t i = 0; i < G_N_ELEMENTS(arrivals); i++) {
        g_autofree char *path =
            g_strconcat("/follow-destination/arrive/", arrivals[i].name, NULL);
        g_test_add_data_func(path, &arrivals[i], arrive);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(afters); i++) {
        g_autofree char *path = g_strconcat("/follow-destination/postcopy/",
                                            afters[i].common.name, NULL);
        g_test_add_data_func(path, &afters[i], after);
    }
    g_test_add_func("/follow-destination/not-ready", not_ready);
    g_test_add_func("/follow-destination/paused", paused);
    return g_test_run();
}
