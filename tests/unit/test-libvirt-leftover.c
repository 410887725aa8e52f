/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Of the tokens in the run-time directory those go whose owner is gone, and
 * nothing else does.
 */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libvirt/libvirt-leftover.h"

#define UUID "11111111-2222-3333-4444-555555555555"
#define LONG_AGO_S 3600

typedef struct {
    char *directory;
} Place;

/* Above what Linux gives to a process (PID_MAX_LIMIT). */
static const int nobody = (4 << 20) + 1;

static void
set_up(Place *place, gconstpointer data)
{
    place->directory = g_dir_make_tmp("postlude-leftover-XXXXXX", NULL);
    g_assert_nonnull(place->directory);
}

static void
tear_down(Place *place, gconstpointer data)
{
    g_chmod(place->directory, 0700);
    g_autoptr(GDir) dir = g_dir_open(place->directory, 0, NULL);
    for (const char *name; (name = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(place->directory, name, NULL);
        if (g_unlink(path) != 0) {
            g_rmdir(path);
        }
    }
    g_rmdir(place->directory);
    g_free(place->directory);
}

static char *
path_of(const Place *place, const char *form, int pid)
{
    g_auto(GStrv) parts = g_strsplit(form, "PID", 2);
    g_autofree char *number = g_strdup_printf("%d", pid);
    g_autofree char *name = g_strjoinv(number, parts);
    return g_build_filename(place->directory, name, NULL);
}

static void
make_old(const char *path)
{
    struct timespec times[2];
    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= LONG_AGO_S;
    times[1] = times[0];
    g_assert_cmpint(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), ==,
                    0);
}

/* Makes FORM, with PID in the place of "PID"; owned path. */
static char *
put(const Place *place, const char *form, int pid, bool old)
{
    char *path = path_of(place, form, pid);
    g_assert_true(g_file_set_contents(path, "", 0, NULL));
    if (old) {
        make_old(path);
    }
    return path;
}

static bool
is_there(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static const char *const forms[] = {"token-PID-aB3xyz", UUID ".PID.token"};

static void
test_stale(Place *place, gconstpointer data)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(forms); i++) {
        g_autofree char *stale = put(place, forms[i], nobody, true);
        g_autofree char *fresh = put(place, forms[i], nobody + 1, false);
        g_autofree char *alive = put(place, forms[i], getpid(), true);
        libvirt_leftover_sweep(place->directory);
        g_assert_false(is_there(stale));
        g_assert_true(is_there(fresh));
        g_assert_true(is_there(alive));
    }
}

/* Journals, sockets and locks are not ours to touch, nor what only looks like a
 * token of ours. */
static void
test_others(Place *place, gconstpointer data)
{
    static const char *const names[] = {
        "receive-PID.journal", "send-PID.sock",    "PID.token",
        "token-PID",           "token--PID-x",     "token-1xPID-x",
        "token",               UUID ".token",      UUID "..token",
        UUID ".PID.journal",   UUID "PID.token",   "x" UUID ".PID.token",
        UUID ".PIDx.token",    "token-0-aB3xyz"};
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path = put(place, names[i], nobody, true);
        libvirt_leftover_sweep(place->directory);
        g_assert_true(is_there(path));
    }
}

static void
test_no_file(Place *place, gconstpointer data)
{
    g_autofree char *link = path_of(place, forms[0], nobody);
    g_assert_cmpint(symlink("/nowhere", link), ==, 0);
    make_old(link);
    g_autofree char *inner = path_of(place, forms[1], nobody);
    g_assert_cmpint(g_mkdir(inner, 0700), ==, 0);
    make_old(inner);
    libvirt_leftover_sweep(place->directory);
    g_assert_true(is_there(link));
    g_assert_true(is_there(inner));
}

/* Where others may write, or by way of a link, nothing is removed. */
static void
test_directory_of_others(Place *place, gconstpointer data)
{
    g_autofree char *stale = put(place, forms[0], nobody, true);
    g_autofree char *link = g_strconcat(place->directory, ".link", NULL);
    g_assert_cmpint(symlink(place->directory, link), ==, 0);
    libvirt_leftover_sweep(link);
    g_unlink(link);
    g_chmod(place->directory, 0770);
    libvirt_leftover_sweep(place->directory);
    libvirt_leftover_sweep("/nowhere");
    g_assert_true(is_there(stale));
}

/* What the hook makes is what is looked for. */
static void
test_template(Place *place, gconstpointer data)
{
    g_autofree char *path = libvirt_leftover_template(place->directory, nobody);
    int fd = mkostemp(path, O_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    close(fd);
    make_old(path);
    libvirt_leftover_sweep(place->directory);
    g_assert_false(is_there(path));
}

#define ADD(name, function)                                                   \
    g_test_add("/leftover/" name, Place, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("stale", test_stale);
    ADD("others", test_others);
    ADD("no-file", test_no_file);
    ADD("directory-of-others", test_directory_of_others);
    ADD("template", test_template);
    return g_test_run();
}
