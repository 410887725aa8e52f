/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What becomes of a page when it cannot be filled, cannot be shown, was discarded
 * meanwhile, or was left by somebody who died: with a placer that fills nothing, so
 * without a userfaultfd and without rights.
 */
#include "migrate/pages/migrate-placer.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/range.h"
#include "migrate/pages/migrate-pages.h"
#include "tests/support/fake-placer.h"

#define PAGES PAGES_PER_EXTENT

typedef struct {
    MigrateBlock block;
    MigrateRam ram;
    MigrateAlarm alarm;
    FakePlacer fake;
    int memory; /* of the states */
    MigratePages *pages;
    PageState *states;
    MigrateTally tally;
    unsigned complete;
} Scene;

static void
on_complete(void *data, unsigned block, uint32_t extent)
{
    ((Scene *)data)->complete++;
}

/* One extent, laid or small. */
static void
scene_init(Scene *s, bool laid)
{
    g_autoptr(GError) error = NULL;
    g_autofree uint8_t **all = g_new0(uint8_t *, 1);
    memset(s, 0, sizeof *s);
    s->block = (MigrateBlock){.name = (char *)"ram",
                              .bytes = EXTENT_BYTES,
                              .pages = PAGES,
                              .extents = 1,
                              .file = -1};
    s->block.view = mmap(NULL, EXTENT_BYTES, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    g_assert_true(s->block.view != MAP_FAILED);
    s->ram = (MigrateRam){&s->block, 1, EXTENT_BYTES, PAGES, 1};
    migrate_alarm_init(&s->alarm, NULL);
    fake_placer_init(&s->fake, &s->block);
    s->memory = memfd_create("states", MFD_CLOEXEC);
    all[0] = g_malloc0(1);
    all[0][0] = laid;
    s->pages = migrate_pages_new_in(&s->ram, all, -1, s->memory, &s->alarm,
                                    &error);
    g_assert_no_error(error);
    migrate_pages_on_complete(s->pages, on_complete, s);
    s->states = migrate_pages_states(s->pages, 0);
}

static void
scene_clear(Scene *s)
{
    migrate_pages_free(s->pages);
    migrate_alarm_clear(&s->alarm);
    munmap(s->block.view, EXTENT_BYTES);
    fd_clear(&s->memory);
}

static bool
store(Scene *s, uint64_t page, GError **error)
{
    static const uint8_t bytes[PAGE_BYTES];
    return migrate_pages_store(s->pages, 0, page, bytes, &s->tally, error);
}

static bool
asks_again(Scene *s)
{
    uint64_t n;
    return read(migrate_pages_orphans_fd(s->pages), &n, sizeof n) == sizeof n;
}

/* No room: the page is asked for again, if anybody waits for it. */
static void
no_room(void)
{
    Scene s;
    g_autoptr(GError) error = NULL;
    scene_init(&s, false);
    s.fake.copy = UFFD_NO_ROOM;
    g_assert_true(store(&s, 3, &error));
    g_assert_cmpuint(page_state_get(&s.states[3]), ==, PAGE_ABSENT);
    g_assert_false(asks_again(&s));
    bool ask;
    page_state_want(&s.states[3], &ask);
    g_assert_true(ask);
    g_assert_true(store(&s, 3, &error));
    g_assert_true(asks_again(&s));
    g_assert_cmpuint(migrate_pages_present(s.pages), ==, 0);
    s.fake.copy = UFFD_DONE;
    g_assert_true(store(&s, 3, &error));
    g_assert_cmpuint(migrate_pages_present(s.pages), ==, 1);
    scene_clear(&s);
}

static void
gone(void)
{
    Scene s;
    g_autoptr(GError) error = NULL;
    scene_init(&s, false);
    s.fake.copy = UFFD_GONE;
    g_assert_false(store(&s, 3, &error));
    g_assert_true(error_is(error, ERROR_VM_GONE));
    g_assert_cmpuint(page_state_get(&s.states[3]), ==, PAGE_ABSENT);
    scene_clear(&s);
}

/* What cannot be shown now is not lost: who waits is woken and asks again. */
static void
shown_later(void)
{
    Scene s;
    g_autoptr(GError) error = NULL;
    bool ask;
    scene_init(&s, true);
    s.fake.show = UFFD_AGAIN;
    page_state_want(&s.states[5], &ask);
    g_assert_true(store(&s, 5, &error));
    g_assert_cmpuint(s.fake.written, ==, 1);
    g_assert_cmpuint(s.fake.shown, ==, 1);
    g_assert_cmpuint(s.fake.woken, ==, 1);
    g_assert_cmpuint(page_state_get(&s.states[5]), ==, PAGE_PRESENT);
    g_assert_true(store(&s, 6, &error)); /* nobody waits */
    g_assert_cmpuint(s.fake.shown, ==, 1);
    scene_clear(&s);
}

/* Discarded while its bytes came: zero, and counted once. */
static void
discarded(void)
{
    Scene s;
    g_autoptr(GError) error = NULL;
    scene_init(&s, true);
    g_assert_true(page_state_claim(&s.states[7]));
    migrate_pages_discard(s.pages, 0, 7, 1, &s.tally);
    g_assert_cmpuint(s.fake.emptied, ==, 0);
    g_assert_true(migrate_pages_finish(s.pages, 0, 7, 1, &s.tally, &error));
    g_assert_cmpuint(s.fake.emptied, ==, 1);
    migrate_pages_discard(s.pages, 0, 8, 2, &s.tally); /* nobody filled these */
    g_assert_cmpuint(s.fake.emptied, ==, 3);
    g_assert_cmpuint(migrate_pages_present(s.pages), ==, 3);
    scene_clear(&s);
}

static void
complete(void)
{
    Scene s;
    scene_init(&s, true);
    g_assert_true(store(&s, 0, NULL));
    g_assert_cmpuint(s.complete, ==, 0);
    migrate_pages_hole(s.pages, 0, 0, &s.tally);
    g_assert_cmpuint(s.complete, ==, 1);
    g_assert_true(migrate_pages_complete(s.pages));
    scene_clear(&s);
}

/* What was being filled when its filler died. */
static void
left(bool kept)
{
    Scene s;
    g_autoptr(GError) error = NULL;
    scene_init(&s, false);
    g_assert_true(page_state_claim(&s.states[9]));
    s.fake.kept = kept;
    g_autoptr(MigratePages) adopted =
        migrate_pages_adopt(&s.ram, -1, s.memory, &s.alarm, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(page_state_get(&migrate_pages_states(adopted, 0)[9]), ==,
                     kept ? PAGE_PRESENT : PAGE_ABSENT);
    g_assert_cmpuint(migrate_pages_present(adopted), ==, kept);
    scene_clear(&s);
}

static void
left_behind(void)
{
    left(true);
    left(false);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/placer/no-room", no_room);
    g_test_add_func("/placer/gone", gone);
    g_test_add_func("/placer/shown-later", shown_later);
    g_test_add_func("/placer/discarded", discarded);
    g_test_add_func("/placer/complete", complete);
    g_test_add_func("/placer/left-behind", left_behind);
    return g_test_run();
}
