/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What one helper has measured is what the next one begins with; and pages that
 * came after the last record are neither lost nor counted twice.
 */
#include "migrate/session/migrate-measure.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/range.h"
#include "tests/unit/session-scene.h"

static void
measure(MigrateSession *session)
{
    MigrateTally *tally = &session->destination.tally;
    session->report.started_ns = 1;
    session->report.armed_ns = 2;
    session->report.waited_ns = 3;
    session->report.switched_ns = 4;
    session->report.downtime_ms = 5.5;
    session->report.huge.lay_ns = 6;
    session->report.huge.laid_extents = 7;
    session->report.source_ran = true;
    session->past.bytes_sent = 8;
    session->past.bytes_received = 9;
    session->past.device_bytes = 10;
    session->past.pushed_pages = 11;
    session->past.answered_pages = 12;
    tally->demand_pages = 13;
    tally->pushed_pages = 14;
    tally->zero_pages = 15;
    tally->discarded_pages = 16;
    tally->duplicates = 17;
}

static void
handed_on(gconstpointer data)
{
    MigrateRole role = (MigrateRole)GPOINTER_TO_INT(data);
    SessionScene first, second;
    MigrateAccount before, after;
    session_scene_init(&first, role);
    session_scene_init(&second, role);
    measure(first.session);
    migrate_measure_take(first.session, &before);
    g_assert_cmpuint(before.started_ns, ==, 1);
    g_assert_cmpuint(before.downtime_us, ==, 5500);
    g_assert_cmpuint(before.pushed_pages, ==, role == MIGRATE_SEND ? 11 : 14);
    g_assert_cmpuint(before.demand_pages, ==, role == MIGRATE_SEND ? 12 : 13);
    g_assert_cmpuint(before.device_bytes, ==, 10);
    migrate_measure_give(&before, second.session);
    migrate_measure_take(second.session, &after);
    g_assert_cmpuint(after.takeovers, ==, 1);
    after.takeovers = 0;
    g_assert_cmpmem(&after, sizeof after, &before, sizeof before);
    session_scene_clear(&first);
    session_scene_clear(&second);
}

/* N of PAGES that the dead helper left are here. */
static MigratePages *
adopt(MigrateSession *session, unsigned pages, unsigned n)
{
    g_autoptr(GError) error = NULL;
    autofd memory = memfd_create("states", MFD_CLOEXEC);
    MigrateBlock *block = &session->guest.ram->blocks[0];
    block->pages = session->guest.ram->pages = pages;
    block->bytes = session->guest.ram->bytes = pages * PAGE_BYTES;
    block->extents = session->guest.ram->extents = 1;
    block->file = memfd_create("ram", MFD_CLOEXEC);
    g_assert_no_errno(ftruncate(block->file, (off_t)block->bytes));
    g_autofree uint8_t *states = g_malloc0(pages + 1);
    memset(states, PAGE_PRESENT, n);
    g_assert_cmpint(write(memory, states, pages + 1), ==, pages + 1);
    MigratePages *adopted = migrate_pages_adopt(session->guest.ram, -1, memory,
                                                &session->alarm, &error);
    g_assert_no_error(error);
    return adopted;
}

static void
settled(unsigned here, unsigned pushed_after, unsigned unknown_after)
{
    SessionScene s;
    session_scene_init(&s, MIGRATE_RECEIVE);
    s.session->destination.tally.demand_pages = 10;
    s.session->destination.tally.pushed_pages = 100;
    s.session->destination.tally.zero_pages = 20;
    s.session->destination.pages = adopt(s.session, 400, here);
    migrate_measure_settle_pages(s.session);
    g_assert_cmpuint(s.session->destination.tally.pushed_pages, ==,
                     pushed_after);
    g_assert_cmpuint(s.session->report.pages.unknown, ==, unknown_after);
    g_clear_pointer(&s.session->destination.pages, migrate_pages_free);
    session_scene_clear(&s);
}

static void
pages(void)
{
    settled(130, 100, 0);
    settled(190, 100, 60);
    /* Counted, and not finished: they come again. */
    settled(114, 84, 0);
    settled(0, 0, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/measure/handed-on/send",
                         GINT_TO_POINTER(MIGRATE_SEND), handed_on);
    g_test_add_data_func("/measure/handed-on/receive",
                         GINT_TO_POINTER(MIGRATE_RECEIVE), handed_on);
    g_test_add_func("/measure/pages", pages);
    return g_test_run();
}
