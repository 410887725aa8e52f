/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Taking over from a receiver that was killed: what its journal and its page
 * states say, what QEMU says, and what follows for the guest. A monitor by
 * script, which is of this process, so this process is its QEMU; a source by
 * hand.
 */
#include "migrate/story/migrate-resume-destination.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/proc-life.h"
#include "base/range.h"
#include "migrate/drive/migrate-follow.h"
#include "migrate/drive/migrate-own.h"
#include "tests/unit/link-scene.h"

#define END                                                                    \
    {                                                                          \
        QMP_PEER_END                                                           \
    }

typedef struct {
    const char *name;
    const QmpPeerStep *steps;         /* NULL: QEMU is not to be asked */
    void (*source)(LinkScene *scene); /* NULL: nobody is there */
    /* what was left */
    bool known, starting, complete;
    bool ok, past_no_return, runs; /* afterwards */
    ErrorCode code;
    const char *words;
} Case;

static const QmpPeerStep runs[] = {{QMP_PEER_GREET}, STATE_IS("running"), END};
static const QmpPeerStep waits[] = {{QMP_PEER_GREET}, STATE_IS("paused"), END};
static const QmpPeerStep mute[] = {
    {QMP_PEER_GREET}, REFUSED("query-status", "not now"), END};
#define STARTED                                                                \
    BLOCKS(RAM_LINE), STATE_IS("paused"), TOLD("\"cont\""), SAYS("RESUME"), END
static const QmpPeerStep is_started[] = {
    {QMP_PEER_GREET}, STATE_IS("paused"), STARTED};
static const QmpPeerStep is_refused[] = {
    {QMP_PEER_GREET},
    STATE_IS("paused"),
    BLOCKS(RAM_LINE),
    STATE_IS("paused"),
    REFUSED("\"cont\"", "the disk is locked"),
    END};

/* The source, which had said RUN; it hears that the guest does not run yet. */
static void
let_in(LinkScene *s)
{
    link_scene_let_in_again(s, 0, 2);
}

static const Case cases[] = {
    {"complete", NULL, NULL, true, false, true, true, true, false},
    {"incomplete", NULL, NULL, true, false, false, false, true, false,
     ERROR_STATE, "the userfaultfd is gone"},
    {"starting/runs", runs, NULL, false, true, true, true, true, true},
    {"starting/mute", mute, NULL, false, true, true, true, true, true},
    {"starting/waits", is_started, let_in, false, true, true, true, true, true},
    {"starting/refused", is_refused, let_in, false, true, true, false, false,
     false, ERROR_FAILED, "the disk is locked"},
    {"starting/incomplete", NULL, NULL, false, true, false, false, true, false,
     ERROR_STATE, "the userfaultfd is gone"},
    {"not-starting/runs", runs, NULL, false, false, true, false, false, false,
     ERROR_STATE, "look for the guest on the source"},
    {"not-starting/waits", is_started, let_in, false, false, true, true, true,
     true},
    {"not-starting/source-gone", waits, NULL, false, false, true, false, false,
     false, ERROR_PEER_GONE, "could not be reached again"},
};

static void
make_ram(MigrateSession *session)
{
    MigrateRam *ram = session->guest.ram;
    MigrateBlock *block = &ram->blocks[0];
    ram->pages = block->pages = LINK_PAGES;
    ram->bytes = block->bytes = LINK_PAGES * PAGE_BYTES;
    ram->extents = block->extents = LINK_PAGES / PAGES_PER_EXTENT;
    block->file = memfd_create("resumed", MFD_CLOEXEC);
    g_assert_no_errno(ftruncate(block->file, (off_t)block->bytes));
    g_assert_cmpint(pwrite(block->file, "x", 1, EXTENT_BYTES), ==, 1);
}

/* What the one that was killed has left: its page states. */
static void
leave_pages(MigrateSession *session, MigrateArchive *archive, bool complete)
{
    g_autoptr(GError) error = NULL;
    MigrateTally tally = {0};
    uint8_t *laid[] = {g_malloc0(session->guest.ram->extents)};
    autofd memory = migrate_archive_new_pages(archive, &error);
    g_assert_no_error(error);
    g_autoptr(MigratePages) pages = migrate_pages_new_in(
        session->guest.ram, laid, -1, memory, &session->alarm, &error);
    g_assert_no_error(error);
    for (unsigned e = complete ? 0 : 1; e < session->guest.ram->extents; e++) {
        migrate_pages_hole(pages, 0, e, &tally);
    }
}

/* A scene without a thing that a successor does not have. */
static MigrateArchive *
leave(LinkScene *s, char **address, bool complete)
{
    g_autoptr(GError) error = NULL;
    MigrateSession *session = s->session = s->guest.session;
    s->control = s->device = s->urgent = s->bulk = -1;
    s->listener = wire_peer_listen(&s->port);
    *address = g_strdup_printf("127.0.0.1:%u", s->port);
    session->options.address = *address;
    session->options.resume = session->options.no_confine = true;
    session->driver = &migrate_own;
    memset(session->peer.id, 5, sizeof session->peer.id);
    make_ram(session);
    MigrateArchive *archive =
        session_scene_archive(&s->guest, MIGRATE_RECEIVE, &error);
    g_assert_no_error(error);
    leave_pages(session, archive, complete);
    g_assert_true(session_scene_write(&s->guest, archive, &error));
    g_assert_no_error(error);
    return archive;
}

static void
be_qemu(MigrateSession *session)
{
    g_autoptr(GError) error = NULL;
    fd_clear(&session->guest.pidfd);
    session->guest.pid = getpid();
    g_assert_true(
        proc_life_started(session->guest.pid, &session->guest.started, &error));
}

static void
take_over(gconstpointer data)
{
    const Case *c = data;
    LinkScene s = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *address = NULL;
    session_scene_init(&s.guest, MIGRATE_RECEIVE);
    MigrateSession *session = s.guest.session;
    be_qemu(session);
    session->past_no_return = c->known;
    session->destination.starting = c->starting;
    if (c->steps) {
        s.monitor = qmp_peer_start(c->steps);
        session->options.qmp_path = (char *)qmp_peer_path(s.monitor);
    }
    MigrateArchive *archive = leave(&s, &address, c->complete);
    if (c->source) {
        link_scene_play(&s, c->source);
    } else {
        fd_clear(&s.listener);
    }
    g_assert_cmpint(migrate_resume_destination(session, &error), ==, c->ok);
    g_assert_cmpint(session->past_no_return, ==, c->past_no_return);
    g_assert_cmpint(session->guest.resumed, ==, c->runs);
    if (!c->ok) {
        g_assert_true(error_is(error, c->code));
        g_assert_nonnull(strstr(error->message, c->words));
    }
    /* What holds data is worth a sweep. */
    g_assert_cmpint(c->ok && session->destination.wanted[0][1], ==,
                    c->ok && !c->source);
    link_scene_clear(&s);
    migrate_archive_remove(archive);
}

/* Somebody else was quicker, and is at work or has ended: it is his. */
static void
not_ours(gconstpointer data)
{
    bool at_work = GPOINTER_TO_INT(data);
    LinkScene s = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *address = NULL;
    session_scene_init(&s.guest, MIGRATE_RECEIVE);
    MigrateSession *session = s.guest.session;
    MigrateArchive *archive = leave(&s, &address, true);
    MigrateClaim *other =
        at_work ? session_scene_claim(&s.guest, &error) : NULL;
    if (!at_work) {
        session->peer.id[0]++; /* the journal is of another migration */
    }
    fd_clear(&session->guest.pidfd);
    session->past_no_return = true;
    g_assert_false(migrate_resume_destination(session, &error));
    g_assert_true(error_is(error, ERROR_STATE));
    g_assert_false(session->past_no_return);
    g_assert_null(session->guest.claim);
    migrate_resume_undo_destination(session); /* nothing is undone */
    g_clear_pointer(&other, migrate_claim_drop);
    link_scene_clear(&s);
    migrate_archive_remove(archive);
}

/* QEMU has ended while no receiver was at work: how is as the journal says. One
 * that is followed, and whose guest never ran here, has no last word. */
typedef struct {
    const char *name;
    bool follow, ran;
    WireEndedCode noted, ended; /* ended 0: it fails */
} Ended;

static const Ended ends[] = {
    {"unseen", false, true, 0, WIRE_ENDED_CRASHED},
    {"shut-down", false, true, WIRE_ENDED_SHUT_DOWN, WIRE_ENDED_SHUT_DOWN},
    {"followed/ran", true, true, WIRE_ENDED_STOPPED, WIRE_ENDED_STOPPED},
    {"followed/never-ran", true, false, 0, 0},
};

static void
ended(gconstpointer data)
{
    const Ended *c = data;
    LinkScene s = {0};
    g_autoptr(GError) error = NULL;
    g_autofree char *address = NULL;
    session_scene_init(&s.guest, MIGRATE_RECEIVE);
    MigrateSession *session = s.guest.session;
    session->past_no_return = true;
    session->destination.ran = c->ran;
    session->guest.ended = c->noted;
    MigrateArchive *archive = leave(&s, &address, false);
    session->driver = c->follow ? &migrate_follow : &migrate_own;
    session_scene_end_qemu(&s.guest);
    fd_clear(&session->guest.pidfd);
    g_assert_cmpint(migrate_resume_destination(session, &error), ==,
                    c->ended != 0);
    g_assert_cmpint(session->guest.ended, ==, c->ended);
    g_assert_cmpint(error_is(error, ERROR_VM_GONE), ==, c->ended == 0);
    link_scene_clear(&s);
    migrate_archive_remove(archive);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* What cannot be known is warned of. */
    g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path =
            g_strconcat("/resume-destination/", cases[i].name, NULL);
        g_test_add_data_func(path, &cases[i], take_over);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(ends); i++) {
        g_autofree char *path =
            g_strconcat("/resume-destination/ended/", ends[i].name, NULL);
        g_test_add_data_func(path, &ends[i], ended);
    }
    g_test_add_data_func("/resume-destination/not-ours/at-work",
                         GINT_TO_POINTER(true), not_ours);
    g_test_add_data_func("/resume-destination/not-ours/ended",
                         GINT_TO_POINTER(false), not_ours);
    return g_test_run();
}
