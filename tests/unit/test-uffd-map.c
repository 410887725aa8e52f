/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * uffd_map_page() in every state a page can be in, on memory of our own: no
 * privilege, nobody waits. With waiters and huge pages: tests/kernel/.
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/range.h"
#include "uffd/uffd-compat.h"
#include "uffd/uffd-map.h"

#define PAGES 16

typedef struct {
    int uffd, file;
    uint8_t *view;  /* ours to write */
    uint8_t *guest; /* registered */
} Scene;

static void
scene_clear(Scene *s)
{
    if (s->view) {
        munmap(s->view, PAGES * PAGE_BYTES);
        munmap(s->guest, PAGES * PAGE_BYTES);
    }
    fd_clear(&s->uffd);
    fd_clear(&s->file);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Scene, scene_clear)

static uint8_t *
map(int file)
{
    uint8_t *at = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
                       MAP_SHARED, file, 0);
    g_assert_true(at != MAP_FAILED);
    return at;
}

static bool
scene_init(Scene *s)
{
    g_autoptr(GError) error = NULL;
    *s = (Scene){.uffd = uffd_fd_open(&error), .file = -1};
    if (s->uffd < 0) {
        if (g_strcmp0(g_getenv("TESTS_MUST_RUN"), "1") == 0) {
            g_test_fail_printf("TESTS_MUST_RUN=1, but %s", error->message);
        } else {
            g_test_skip(error->message);
        }
        return false;
    }
    uffd_fd_handshake(s->uffd, &error);
    g_assert_no_error(error);
    s->file = memfd_create("scene", MFD_CLOEXEC);
    g_assert_no_errno(ftruncate(s->file, (off_t)(PAGES * PAGE_BYTES)));
    s->view = map(s->file);
    s->guest = map(s->file);
    uffd_fd_register(s->uffd, (uintptr_t)s->guest, PAGES * PAGE_BYTES, &error);
    g_assert_no_error(error);
    return true;
}

static uint64_t
hva(const Scene *s, unsigned page)
{
    return (uintptr_t)s->guest + page * PAGE_BYTES;
}

/* Reads only what was mapped: a read of the rest would wait for ever. */
static void
what_the_page_cache_holds(void)
{
    g_auto(Scene) s;
    if (!scene_init(&s)) {
        return;
    }
    s.view[2 * PAGE_BYTES] = 17;
    g_assert_cmpint(uffd_map_page(s.uffd, hva(&s, 2)), ==, UFFD_DONE);
    g_assert_cmpint(s.guest[2 * PAGE_BYTES], ==, 17);
    /* And again: mapped already is as good as mapped. */
    g_assert_cmpint(uffd_map_page(s.uffd, hva(&s, 2)), ==, UFFD_DONE);
    g_assert_cmpint(s.guest[2 * PAGE_BYTES], ==, 17);
}

static void
a_hole_is_zero(void)
{
    g_auto(Scene) s;
    if (!scene_init(&s)) {
        return;
    }
    g_assert_cmpint(uffd_fd_continue(s.uffd, hva(&s, 5), PAGE_BYTES, NULL), ==,
                    UFFD_NO_PAGE);
    g_assert_cmpint(uffd_map_page(s.uffd, hva(&s, 5)), ==, UFFD_DONE);
    g_assert_cmpint(s.guest[5 * PAGE_BYTES], ==, 0);
    g_assert_cmpint(uffd_map_page(s.uffd, hva(&s, 5)), ==, UFFD_DONE);
}

static void
what_is_not_registered(void)
{
    g_auto(Scene) s;
    if (!scene_init(&s)) {
        return;
    }
    g_assert_cmpint(uffd_map_page(s.uffd, (uintptr_t)s.view), ==,
                    UFFD_NO_RANGE);
    g_assert_cmpint(uffd_map_page(s.uffd, hva(&s, 1) + 1), ==, UFFD_NO_RANGE);
    g_assert_cmpint(uffd_map_page(s.uffd, PAGE_BYTES * 16), ==, UFFD_NO_RANGE);
    g_assert_cmpint(uffd_map_page(s.uffd, UINT64_MAX - PAGE_BYTES + 1), ==,
                    UFFD_NO_RANGE);
}

static void
what_is_no_userfaultfd(void)
{
    autofd file = memfd_create("no-uffd", MFD_CLOEXEC);
    g_assert_cmpint(uffd_map_page(file, PAGE_BYTES), ==, UFFD_BROKEN);
    g_assert_cmpint(uffd_map_page(-1, PAGE_BYTES), ==, UFFD_BROKEN);
}

/* The multi-page calls: how far they came, and why no further. */
static void
ranges(void)
{
    g_auto(Scene) s;
    uint64_t done = 99;
    uint8_t source[2 * PAGE_BYTES];
    if (!scene_init(&s)) {
        return;
    }
    memset(s.view, 1, 4 * PAGE_BYTES); /* 0-3 there, 4 a hole */
    g_assert_cmpint(uffd_fd_continue(s.uffd, hva(&s, 0), 8 * PAGE_BYTES, &done),
                    ==, UFFD_NO_PAGE);
    g_assert_cmpuint(done, ==, 4 * PAGE_BYTES);
    g_assert_cmpint(uffd_fd_continue(s.uffd, hva(&s, 0), PAGE_BYTES, &done), ==,
                    UFFD_EXISTS);
    g_assert_cmpuint(done, ==, 0);
    g_assert_cmpint(uffd_fd_zero(s.uffd, hva(&s, 4), 4 * PAGE_BYTES), ==,
                    UFFD_DONE);
    memset(source, 7, sizeof source);
    g_assert_cmpint(uffd_fd_copy(s.uffd, hva(&s, 7), source, sizeof source), ==,
                    UFFD_EXISTS);
    g_assert_cmpint(uffd_fd_copy(s.uffd, hva(&s, 8), source, sizeof source), ==,
                    UFFD_DONE);
    g_assert_cmpint(s.guest[9 * PAGE_BYTES + 4095], ==, 7);
    g_assert_cmpint(uffd_fd_wake(s.uffd, hva(&s, 0), PAGES * PAGE_BYTES), ==,
                    UFFD_DONE);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/uffd-map/present", what_the_page_cache_holds);
    g_test_add_func("/uffd-map/hole", a_hole_is_zero);
    g_test_add_func("/uffd-map/not-registered", what_is_not_registered);
    g_test_add_func("/uffd-map/no-uffd", what_is_no_userfaultfd);
    g_test_add_func("/uffd-map/ranges", ranges);
    return g_test_run();
}
