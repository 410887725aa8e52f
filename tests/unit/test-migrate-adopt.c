/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Page states that a dead helper left: what it was filling, what somebody
 * waits for, what is complete, and states that are of another guest.
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/range.h"
#include "migrate/pages/migrate-pages.h"

#define LAID 0  /* extent: folios; complete */
#define SMALL 1 /* extent: small pages */
#define PAGES (2 * PAGES_PER_EXTENT + 5)

typedef struct {
    MigrateRam *ram;
    int memory;
    uint8_t *bytes; /* of it: PAGES states, then 3 laid */
    MigrateAlarm alarm;
} Left;

static void
left_init(Left *l)
{
    *l = (Left){.memory = memfd_create("states", MFD_CLOEXEC)};
    migrate_alarm_init(&l->alarm, NULL);
    l->ram = g_new0(MigrateRam, 1);
    l->ram->n_blocks = 1;
    l->ram->blocks = g_new0(MigrateBlock, 1);
    l->ram->blocks[0] = (MigrateBlock){
        .name = g_strdup("ram"),
        .bytes = PAGES * PAGE_BYTES,
        .pages = PAGES,
        .extents = 3,
        .file_offset = EXTENT_BYTES, /* found where the block is, not at 0 */
        .file = memfd_create("ram", MFD_CLOEXEC),
    };
    l->ram->bytes = PAGES * PAGE_BYTES;
    l->ram->pages = PAGES;
    l->ram->extents = 3;
    g_assert_no_errno(ftruncate(
        l->ram->blocks[0].file,
        (off_t)(l->ram->blocks[0].file_offset + PAGES * PAGE_BYTES)));
    g_assert_no_errno(ftruncate(l->memory, PAGES + 3));
    l->bytes = mmap(NULL, PAGES + 3, PROT_READ | PROT_WRITE, MAP_SHARED,
                    l->memory, 0);
    g_assert_true(l->bytes != MAP_FAILED);
    l->bytes[PAGES + LAID] = 1;
}

static void
left_clear(Left *l)
{
    munmap(l->bytes, PAGES + 3);
    fd_clear(&l->memory);
    migrate_ram_free(l->ram);
    migrate_alarm_clear(&l->alarm);
}

static void
store(Left *l, uint64_t page)
{
    const MigrateBlock *b = &l->ram->blocks[0];
    g_assert_cmpint(pwrite(b->file, "x", 1,
                           (off_t)(b->file_offset + page * PAGE_BYTES)),
                    ==, 1);
}

static uint8_t
adopted(uint8_t state, uint64_t page, bool in_file)
{
    Left l;
    g_autoptr(GError) error = NULL;
    left_init(&l);
    l.bytes[page] = state;
    if (in_file) {
        store(&l, page);
    }
    g_autoptr(MigratePages) pages =
        migrate_pages_adopt(l.ram, -1, l.memory, &l.alarm, &error);
    g_assert_no_error(error);
    uint8_t now = l.bytes[page];
    g_assert_cmpuint(migrate_pages_present(pages), ==,
                     (now & PAGE_STATE_MASK) == PAGE_PRESENT);
    g_clear_pointer(&pages, migrate_pages_free);
    left_clear(&l);
    return now;
}

static void
filling(void)
{
    uint64_t laid = 7, small = PAGES_PER_EXTENT + 7;
    /* Not mapped before it is PRESENT: whatever lies there is filled anew. */
    g_assert_cmphex(adopted(PAGE_FILLING, laid, true), ==, PAGE_ABSENT);
    g_assert_cmphex(adopted(PAGE_FILLING, laid, false), ==, PAGE_ABSENT);
    /* Mapped as it was filled: never again. */
    g_assert_cmphex(adopted(PAGE_FILLING, small, true), ==, PAGE_PRESENT);
    g_assert_cmphex(adopted(PAGE_FILLING, small, false), ==, PAGE_ABSENT);
    /* Its neighbour has data, it has none. */
    g_assert_cmphex(adopted(PAGE_FILLING, PAGES - 1, false), ==, PAGE_ABSENT);
    g_assert_cmphex(adopted(PAGE_FILLING, PAGES - 1, true), ==, PAGE_PRESENT);
}

static void
wishes(void)
{
    g_assert_cmphex(adopted(PAGE_ABSENT | PAGE_WANTED | PAGE_ASKED, 3, false),
                    ==, PAGE_WANTED);
    g_assert_cmphex(adopted(PAGE_FILLING | PAGE_WANTED, 3, false), ==,
                    PAGE_WANTED);
    g_assert_cmphex(adopted(PAGE_ABSENT | PAGE_ASKED, 3, false), ==,
                    PAGE_ABSENT);
    g_assert_cmphex(adopted(PAGE_PRESENT, 3, false), ==, PAGE_PRESENT);
}

static void
note_offer(void *data, unsigned block, uint32_t extent)
{
    unsigned *offered = data;
    g_assert_cmpuint(block, ==, 0);
    g_assert_cmpuint(extent, ==, LAID);
    (*offered)++;
}

static unsigned
offers_with(uint8_t last)
{
    Left l;
    unsigned offered = 0;
    g_autoptr(GError) error = NULL;
    left_init(&l);
    memset(l.bytes, PAGE_PRESENT, 2 * PAGES_PER_EXTENT);
    l.bytes[PAGES_PER_EXTENT - 1] = last;
    g_autoptr(MigratePages) pages =
        migrate_pages_adopt(l.ram, -1, l.memory, &l.alarm, &error);
    g_assert_no_error(error);
    g_assert_true(migrate_pages_is_laid(pages, 0, LAID));
    g_assert_false(migrate_pages_is_laid(pages, 0, SMALL));
    migrate_pages_on_complete(pages, note_offer, &offered);
    migrate_pages_offer_again(pages);
    g_assert_false(migrate_pages_complete(pages));
    g_clear_pointer(&pages, migrate_pages_free);
    left_clear(&l);
    return offered;
}

static void
complete_extents(void)
{
    g_assert_cmpuint(offers_with(PAGE_PRESENT), ==, 1);
    g_assert_cmpuint(offers_with(PAGE_ABSENT), ==, 0);
    g_assert_cmpuint(offers_with(PAGE_FILLING), ==, 0);
}

static void
of_another_guest(void)
{
    Left l;
    static const off_t sizes[] = {0, PAGES, PAGES + 2, PAGES + 4};
    left_init(&l);
    for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_no_errno(ftruncate(l.memory, sizes[i]));
        g_assert_null(migrate_pages_adopt(l.ram, -1, l.memory, &l.alarm,
                                          &error));
        g_assert_true(error_is(error, ERROR_PROTOCOL));
    }
    g_assert_no_errno(ftruncate(l.memory, PAGES + 3));
    left_clear(&l);
}

/* All of it before the guest depends on it, or nothing: see map_states(). */
static void
room_is_taken_at_once(void)
{
    Left l;
    struct stat st;
    g_autoptr(GError) error = NULL;
    left_init(&l);
    autofd roomy = memfd_create("roomy", MFD_CLOEXEC);
    autofd full = memfd_create("full", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    uint8_t *laid[] = {g_malloc0(3)};
    g_autoptr(MigratePages) pages =
        migrate_pages_new_in(l.ram, laid, -1, roomy, &l.alarm, &error);
    g_assert_no_error(error);
    g_assert_no_errno(fstat(roomy, &st));
    g_assert_cmpint(st.st_blocks * 512, >=, PAGES + 3);

    g_assert_no_errno(fcntl(full, F_ADD_SEALS, F_SEAL_GROW));
    g_assert_null(
        migrate_pages_new_in(l.ram, laid, -1, full, &l.alarm, &error));
    g_assert_nonnull(strstr(error->message, "make room"));
    g_clear_pointer(&pages, migrate_pages_free);
    left_clear(&l);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/adopt/filling", filling);
    g_test_add_func("/adopt/wishes", wishes);
    g_test_add_func("/adopt/complete-extents", complete_extents);
    g_test_add_func("/adopt/of-another-guest", of_another_guest);
    g_test_add_func("/adopt/room", room_is_taken_at_once);
    return g_test_run();
}
