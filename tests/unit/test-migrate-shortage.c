/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How many pages a cgroup's margin allows, on files that the test writes in
 * place; and that no memory is said once, and is over when it is over.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/range.h"
#include "migrate/pages/migrate-shortage.h"

#define MIB (UINT64_C(1) << 20)
#define LIMIT (UINT64_C(1) << 30)

static const char *const files[] = {
    "cgroup.procs",    "memory.max",          "memory.current",
    "memory.swap.max", "memory.swap.current", "memory.stat"};

/* In place, because they are held open. */
static void
write_number(const char *directory, const char *name, uint64_t value)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    autofd fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    g_assert_no_errno(fd);
    g_assert_cmpint(dprintf(fd, "%" G_GUINT64_FORMAT "\n", value), >, 0);
}

static void
leave(const char *directory, uint64_t margin)
{
    write_number(directory, "memory.current", LIMIT - margin);
}

static char *
make_cgroup(uint64_t margin)
{
    char *directory = g_dir_make_tmp("postlude-shortage-XXXXXX", NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(files); i++) {
        write_number(directory, files[i], 0);
    }
    write_number(directory, "memory.max", LIMIT);
    leave(directory, margin);
    return directory;
}

static void
remove_cgroup(const char *directory)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(directory, files[i], NULL);
        unlink(path);
    }
    g_assert_no_errno(rmdir(directory));
}

static bool
allows(MigrateShortage *shortage)
{
    if (migrate_shortage_allows_page(shortage)) {
        return true;
    }
    migrate_shortage_look(shortage); /* in the place of the thread */
    return migrate_shortage_allows_page(shortage);
}

/* Pages until it says no, each of which the cgroup is charged with. */
static uint64_t
take_all(MigrateShortage *shortage, const char *directory, uint64_t margin)
{
    uint64_t pages = 0;
    while (allows(shortage)) {
        pages++;
        g_assert_cmpuint(pages * PAGE_BYTES, <=, margin);
        leave(directory, margin - pages * PAGE_BYTES);
    }
    return pages;
}

static void
limited(void)
{
    MigrateShortage shortage;
    g_autofree char *directory = make_cgroup(20 * MIB);
    migrate_shortage_init(&shortage);
    migrate_shortage_mind(&shortage,
                          collapse_margin_open_at(directory, "/dev/null"));
    uint64_t pages = take_all(&shortage, directory, 20 * MIB);
    g_assert_cmpuint(pages * PAGE_BYTES, ==, 16 * MIB); /* 4 stay */
    g_assert_false(allows(&shortage));
    leave(directory, 4 * MIB + PAGE_BYTES);
    g_assert_true(allows(&shortage));
    leave(directory, 4 * MIB);
    g_assert_false(allows(&shortage));
    leave(directory, 0);
    g_assert_false(allows(&shortage));
    migrate_shortage_clear(&shortage);
    remove_cgroup(directory);
}

/* Others take from it as well: what was allowed at one look is bounded. */
static void
not_too_much_at_once(void)
{
    MigrateShortage shortage;
    g_autofree char *directory = make_cgroup(LIMIT);
    migrate_shortage_init(&shortage);
    migrate_shortage_mind(&shortage,
                          collapse_margin_open_at(directory, "/dev/null"));
    g_assert_true(migrate_shortage_allows_page(&shortage));
    leave(directory, 0);
    uint64_t pages = 1;
    while (migrate_shortage_allows_page(&shortage)) {
        pages++;
    }
    g_assert_cmpuint(pages * PAGE_BYTES, ==, 8 * MIB);
    migrate_shortage_clear(&shortage);
    remove_cgroup(directory);
}

static void
unlimited(void)
{
    MigrateShortage shortage;
    migrate_shortage_init(&shortage);
    migrate_shortage_mind(&shortage, NULL);
    for (unsigned i = 0; i < 100000; i++) {
        g_assert_true(migrate_shortage_allows_page(&shortage));
    }
    migrate_shortage_clear(&shortage);
}

static void
said(void)
{
    MigrateShortage shortage;
    migrate_shortage_init(&shortage);
    g_assert_false(migrate_shortage_lasts(&shortage));
    g_test_expect_message("migrate", G_LOG_LEVEL_WARNING,
                          "*'ram'*(no-room): the guest waits*");
    migrate_shortage_note(&shortage, "ram", "no-room");
    migrate_shortage_look(&shortage);
    g_test_assert_expected_messages();
    g_assert_true(migrate_shortage_lasts(&shortage));
    migrate_shortage_note(&shortage, "ram", "no-room");
    migrate_shortage_look(&shortage); /* to say it again would be fatal */
    shortage.refused_ns -= UINT64_C(1100000000);
    g_assert_false(migrate_shortage_lasts(&shortage));
    shortage.said_ns -= UINT64_C(31000000000);
    g_test_expect_message("migrate", G_LOG_LEVEL_WARNING, "*waits*");
    migrate_shortage_note(&shortage, "ram", "no-room");
    migrate_shortage_look(&shortage);
    g_test_assert_expected_messages();
    migrate_shortage_clear(&shortage);
}

/* A sanitizer has an allocator of its own. gcc says by a macro that there is one,
 * clang by a feature. */
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) &&          \
    !defined(HAS_SANITIZER)
#define COUNTS_ALLOCATIONS 1
#endif

#ifdef COUNTS_ALLOCATIONS
static __thread bool counts;
static __thread unsigned allocations;

void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t bytes);

void *
malloc(size_t bytes)
{
    allocations += counts;
    return __libc_malloc(bytes);
}

void *
calloc(size_t n, size_t bytes)
{
    allocations += counts;
    return __libc_calloc(n, bytes);
}

/* What the fault thread does when there is no memory, with the thread at work
 * that reads the files and says what is to be said. */
static void
allocates_nothing(void)
{
    MigrateShortage shortage;
    g_autoptr(GError) error = NULL;
    g_autofree char *directory = make_cgroup(5 * MIB);
    migrate_shortage_init(&shortage);
    migrate_shortage_mind(&shortage,
                          collapse_margin_open_at(directory, "/dev/null"));
    leave(directory, 0); /* in whole: what it finds half-written is no limit */
    migrate_shortage_start(&shortage, &error);
    g_assert_no_error(error);
    g_test_expect_message("migrate", G_LOG_LEVEL_WARNING, "*cgroup is full*");
    unsigned refused = 0;
    counts = true;
    for (unsigned i = 0; i < 1000; i++) {
        if (!migrate_shortage_allows_page(&shortage)) {
            refused++;
            migrate_shortage_note(&shortage, "ram", "no-room");
        }
    }
    counts = false;
    g_assert_cmpuint(refused, >, 500);
    g_assert_cmpuint(allocations, ==, 0);
    while (atomic_load(&shortage.said_ns) == 0) {
        g_usleep(1000);
    }
    leave(directory, 100 * MIB);
    bool allowed = false;
    for (unsigned tries = 0; !allowed && tries < 5000; tries++) {
        g_usleep(1000);
        allowed = migrate_shortage_allows_page(&shortage);
    }
    g_assert_true(allowed); /* asking is what makes it look */
    migrate_shortage_clear(&shortage);
    remove_cgroup(directory);
    g_test_assert_expected_messages();
}
#endif

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/shortage/limited", limited);
    g_test_add_func("/shortage/not-too-much-at-once", not_too_much_at_once);
    g_test_add_func("/shortage/unlimited", unlimited);
    g_test_add_func("/shortage/said", said);
#ifdef COUNTS_ALLOCATIONS
    g_test_add_func("/shortage/allocates-nothing", allocates_nothing);
#endif
    return g_test_run();
}
