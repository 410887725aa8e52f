/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pages arrive whole under faults: both sides' real threads against each
 * other over socket pairs, a victim process that touches pages meanwhile,
 * every byte compared by the victim and by us.
 */
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/thread.h"
#include "migrate/pages/migrate-fault.h"
#include "migrate/pages/migrate-fill.h"
#include "migrate/send/migrate-push.h"
#include "migrate/send/migrate-serve.h"
#include "tests/unit/migrate-scene.h"

#define PATIENCE_S 40
#define STREAMS_MAX 4

/* One connection: the source's end, the destination's. */
typedef struct {
    WireLink *from, *to;
} Pipe;

static Pipe
pipe_new(void)
{
    int fds[2];
    g_assert_no_errno(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    return (Pipe){wire_link_new(fds[0]), wire_link_new(fds[1])};
}

static void
pipe_clear(Pipe *pipe)
{
    g_clear_pointer(&pipe->from, wire_link_free);
    g_clear_pointer(&pipe->to, wire_link_free);
}

static MigrateOrder *
full_order(Scene *s)
{
    uint32_t extents[SCENE_BLOCKS];
    for (unsigned b = 0; b < SCENE_BLOCKS; b++) {
        extents[b] = s->source->blocks[b].extents;
    }
    MigrateOrder *order = migrate_order_new(extents, SCENE_BLOCKS);
    for (unsigned b = 0; b < SCENE_BLOCKS; b++) {
        for (uint32_t e = 0; e < extents[b]; e++) {
            migrate_order_offer(order, b, e);
        }
    }
    return order;
}

/* The urgent connection and both its ends. */
typedef struct {
    Pipe pipe;
    MigrateSent *sent;
    MigrateOrder *order;
    MigrateServe *serve;
    MigrateFault *fault;
    MigrateAlarm alarm; /* of the source */
} Urgent;

static void
urgent_start(Urgent *u, Scene *s)
{
    u->pipe = pipe_new();
    migrate_alarm_init(&u->alarm, NULL);
    u->sent = migrate_sent_new(s->source);
    u->order = full_order(s);
    u->serve = migrate_serve_start(u->pipe.from, s->source, u->sent, u->order,
                                   &u->alarm);
    u->fault = migrate_fault_start(s->uffd, s->regions, u->pipe.to, s->pages,
                                   &s->alarm);
}

static void
urgent_stop(Urgent *u, Scene *s)
{
    migrate_fault_stop(u->fault, &s->tally);
    migrate_serve_stop(u->serve);
    pipe_clear(&u->pipe);
    migrate_sent_free(u->sent);
    migrate_order_free(u->order);
    g_autoptr(GError) error = NULL;
    migrate_alarm_take(&u->alarm, &error);
    g_assert_no_error(error);
    migrate_alarm_clear(&u->alarm);
}

/* A bulk connection; OWN: it sends everything itself, whoever else does, and
 * by sendfile(). */
typedef struct {
    Pipe pipe;
    MigrateSent *own_sent;
    MigrateOrder *own_order;
    MigratePush *push;
    MigrateFill *fill;
} Bulk;

static void
bulk_start(Bulk *b, Scene *s, Urgent *u, bool own)
{
    b->pipe = pipe_new();
    b->own_sent = own ? migrate_sent_new(s->source) : NULL;
    b->own_order = own ? full_order(s) : NULL;
    b->fill = migrate_fill_start(b->pipe.to, s->pages, &s->alarm);
    b->push = migrate_push_start(b->pipe.from, s->source,
                                 own ? b->own_sent : u->sent,
                                 own ? b->own_order : u->order, own, &u->alarm);
}

static void
bulk_stop(Bulk *b, Scene *s)
{
    migrate_push_stop(b->push);
    migrate_fill_stop(b->fill, &s->tally);
    pipe_clear(&b->pipe);
    g_clear_pointer(&b->own_sent, migrate_sent_free);
    g_clear_pointer(&b->own_order, migrate_order_free);
}

/* Stopping a stream before its END was read is all that may have been said. */
static void
assert_quiet(Scene *s)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(migrate_alarm_take(&s->alarm, &error) ||
                  error_is(error, ERROR_PEER_GONE));
}

/* Every page came exactly once, by exactly one way. */
static void
check_tally(Scene *s)
{
    const MigrateTally *t = &s->tally;
    g_assert_cmpuint(t->demand_pages + t->pushed_pages + t->zero_pages, ==,
                     s->destination->pages);
    g_assert_cmpuint(scene_count(s, PAGE_PRESENT), ==, s->destination->pages);
    g_test_message("demand %" G_GUINT64_FORMAT ", pushed %" G_GUINT64_FORMAT
                   ", zero %" G_GUINT64_FORMAT ", twice %" G_GUINT64_FORMAT
                   ", faults %" G_GUINT64_FORMAT,
                   t->demand_pages, t->pushed_pages, t->zero_pages,
                   t->duplicates, t->faults);
    g_assert_cmpuint(t->faults, >, 0);
    g_assert_cmpuint(migrate_waiters_count(migrate_pages_waiters(s->pages)),
                     ==, 0);
}

/* Until one page has come by demand: the victim is at work, and a stream that
 * starts now does not bring everything before its first touch. */
static void
wait_for_a_fault(Scene *s, uint64_t present)
{
    uint64_t deadline = fd_deadline_ns(PATIENCE_S * 1000);
    while (migrate_pages_present(s->pages) == present) {
        g_assert_cmpuint(fd_now_ns(), <, deadline);
        g_usleep(100);
    }
}

static void
run(SceneKind kind, unsigned n_streams, bool own, unsigned seed)
{
    Scene s;
    Urgent u;
    Bulk bulk[STREAMS_MAX];
    if (!scene_init(&s, kind, seed)) {
        return;
    }
    urgent_start(&u, &s);
    scene_mark_holes(&s);
    uint64_t present = migrate_pages_present(s.pages);
    scene_go(&s);
    wait_for_a_fault(&s, present);
    for (unsigned i = 0; i < n_streams; i++) {
        bulk_start(&bulk[i], &s, &u, own);
    }
    g_assert_true(scene_wait_complete(&s, PATIENCE_S));
    g_assert_true(scene_wait_touched(&s, PATIENCE_S));
    for (unsigned i = 0; i < n_streams; i++) {
        bulk_stop(&bulk[i], &s);
    }
    assert_quiet(&s);
    urgent_stop(&u, &s);
    check_tally(&s);
    scene_check(&s);
    scene_clear(&s);
}

static void
small(void)
{
    run(SCENE_SMALL, 1, false, 1);
}

static void
laid(void)
{
    run(SCENE_LAID, 1, false, 2);
}

static void
many_streams(void)
{
    for (unsigned seed = 10; seed < 16; seed++) {
        run(SCENE_MIXED, 3, false, seed);
    }
}

/* Nothing is pushed: the victim must get along by itself. */
static void
demand_only(void)
{
    run(SCENE_MIXED, 0, false, 3);
}

/* Two streams and the urgent connection each send every page: only the claim
 * keeps them from writing over what the victim has already changed. */
static void
everything_thrice(void)
{
    for (unsigned seed = 20; seed < 26; seed++) {
        run(seed % 2 ? SCENE_MIXED : SCENE_LAID, 2, true, seed);
    }
}

/* In a child, because the limit stays: faults are answered while a file may not
 * be written to where the page belongs. */
static void
a_limit_on_files_stops_nobody(void)
{
    const struct rlimit limit = {1, 1};
    Scene s;
    Urgent u;
    Bulk bulk;
    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
        g_test_trap_assert_passed();
        return;
    }
    if (!scene_init(&s, SCENE_LAID, 50)) {
        return;
    }
    signal(SIGXFSZ, SIG_IGN);
    g_assert_no_errno(setrlimit(RLIMIT_FSIZE, &limit));
    urgent_start(&u, &s);
    scene_mark_holes(&s);
    scene_go(&s);
    g_assert_true(scene_wait_touched(&s, PATIENCE_S));
    bulk_start(&bulk, &s, &u, true);
    g_assert_true(scene_wait_complete(&s, PATIENCE_S));
    bulk_stop(&bulk, &s);
    assert_quiet(&s);
    urgent_stop(&u, &s);
    check_tally(&s);
    scene_check(&s);
    scene_clear(&s);
}

static void
assert_no_thread(MigrateAlarm *alarm)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(migrate_alarm_take(alarm, &error));
    g_assert_true(error_is(error, ERROR_FAILED));
    g_assert_nonnull(strstr(error->message, "no thread is to be had"));
}

/* Where no thread is to be had, that is said by the alarm, and nobody is
 * ended: what was begun can be begun again. */
static void
no_thread_is_an_alarm(void)
{
    Scene s;
    if (!scene_init(&s, SCENE_LAID, 30)) {
        return;
    }
    Pipe pipe = pipe_new();
    MigrateSent *sent = migrate_sent_new(s.source);
    MigrateOrder *order = full_order(&s);
    thread_refuse(1000000);
    g_assert_null(migrate_fill_start(pipe.to, s.pages, &s.alarm));
    assert_no_thread(&s.alarm);
    g_assert_null(migrate_push_start(pipe.from, s.source, sent, order, true,
                                     &s.alarm));
    assert_no_thread(&s.alarm);
    g_assert_null(migrate_serve_start(pipe.from, s.source, sent, order,
                                      &s.alarm));
    assert_no_thread(&s.alarm);
    g_assert_null(migrate_fault_start(s.uffd, s.regions, pipe.to, s.pages,
                                      &s.alarm));
    assert_no_thread(&s.alarm);
    thread_refuse(0);
    pipe_clear(&pipe);
    migrate_sent_free(sent);
    migrate_order_free(order);
    scene_clear(&s);
}

/* Sends BYTES of what a bulk connection would carry, then breaks it: with odd
 * numbers, in the middle of a page. */
static void
feed_and_break(Scene *s, Urgent *u, uint64_t bytes)
{
    Pipe whole = pipe_new(), cut = pipe_new();
    MigrateSent *sent = migrate_sent_new(s->source);
    MigrateOrder *order = full_order(s);
    MigrateFill *fill = migrate_fill_start(cut.to, s->pages, &s->alarm);
    MigratePush *push =
        migrate_push_start(whole.from, s->source, sent, order, true,
                           &u->alarm);
    uint8_t chunk[8192];
    g_autoptr(GError) error = NULL;
    while (bytes > 0) {
        size_t n = MIN(bytes, sizeof chunk);
        g_assert_true(wire_link_read(whole.to, chunk, n, NULL));
        g_assert_true(wire_link_write(cut.from, chunk, n, NULL));
        bytes -= n;
    }
    wire_link_shutdown(cut.from);
    uint64_t deadline = fd_deadline_ns(PATIENCE_S * 1000);
    while (migrate_alarm_take(&s->alarm, &error) && fd_now_ns() < deadline) {
        g_usleep(1000);
    }
    g_assert_true(error_is(error, ERROR_PEER_GONE));
    g_assert_nonnull(strstr(error->message, "a bulk connection ended early"));
    migrate_push_stop(push);
    migrate_fill_stop(fill, &s->tally);
    pipe_clear(&whole);
    pipe_clear(&cut);
    migrate_sent_free(sent);
    migrate_order_free(order);
}

/* Streams that break one after the other, and one that replaces them. */
static void
a_stream_breaks_and_is_replaced(void)
{
    static const uint64_t cuts[] = {0,      1,       135,     136,
                                    137,    4231,    4232,    70001,
                                    700003, 3000017, 5000011};
    Scene s;
    Urgent u;
    Bulk last;
    if (!scene_init(&s, SCENE_MIXED, 30)) {
        return;
    }
    urgent_start(&u, &s);
    scene_mark_holes(&s);
    scene_go(&s);
    for (unsigned i = 0; i < G_N_ELEMENTS(cuts); i++) {
        feed_and_break(&s, &u, cuts[i]);
    }
    bulk_start(&last, &s, &u, true);
    g_assert_true(scene_wait_complete(&s, PATIENCE_S));
    g_assert_true(scene_wait_touched(&s, PATIENCE_S));
    bulk_stop(&last, &s);
    urgent_stop(&u, &s);
    check_tally(&s);
    scene_check(&s);
    scene_clear(&s);
}

/* What a broken stream was filling while the victim waited for it, and what
 * the urgent connection has therefore brought in vain, is asked for again. We
 * are that stream: everything is claimed, the victim waits, we give up. */
static void
a_broken_stream_leaves_nobody_waiting(void)
{
    Scene s;
    Urgent u;
    if (!scene_init(&s, SCENE_MIXED, 40)) {
        return;
    }
    for (unsigned b = 0; b < SCENE_BLOCKS; b++) {
        PageState *states = migrate_pages_states(s.pages, b);
        for (uint64_t i = 0; i < s.destination->blocks[b].pages; i++) {
            g_assert_true(page_state_claim(&states[i]));
        }
    }
    urgent_start(&u, &s);
    scene_go(&s);
    unsigned noted = 0;
    for (unsigned tries = 0; noted < SCENE_TOUCHERS && tries < 10000; tries++) {
        g_usleep(1000);
        noted = migrate_waiters_count(migrate_pages_waiters(s.pages));
    }
    g_assert_cmpuint(noted, ==, SCENE_TOUCHERS);
    for (unsigned b = 0; b < SCENE_BLOCKS; b++) {
        migrate_pages_give_up(s.pages, b, 0,
                              (unsigned)s.destination->blocks[b].pages);
    }
    g_assert_true(scene_wait_touched(&s, PATIENCE_S));
    g_assert_true(scene_wait_complete(&s, PATIENCE_S));
    urgent_stop(&u, &s);
    check_tally(&s);
    scene_check(&s);
    scene_clear(&s);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* Made by the first thread that wakes it, it would look like a race. */
    g_main_context_default();
    signal(SIGPIPE, SIG_IGN); /* as the tool does: see wire-link.h */
    g_test_add_func("/arrive/small", small);
    g_test_add_func("/arrive/laid", laid);
    g_test_add_func("/arrive/streams", many_streams);
    g_test_add_func("/arrive/demand-only", demand_only);
    g_test_add_func("/arrive/thrice", everything_thrice);
    g_test_add_func("/arrive/break/replaced", a_stream_breaks_and_is_replaced);
    g_test_add_func("/arrive/limit", a_limit_on_files_stops_nobody);
    g_test_add_func("/arrive/no-thread", no_thread_is_an_alarm);
    g_test_add_func("/arrive/break/waiting",
                    a_broken_stream_leaves_nobody_waiting);
    return g_test_run();
}
