/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A monitor that cannot be reached: each reason has its code and its remedy.
 */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "qmp/qmp-client.h"

#define NOBODY 65534

typedef struct {
    char *directory;
    char *path; /* "qmp" in it */
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    fixture->directory = g_dir_make_tmp("qmp-socket-XXXXXX", &error);
    g_assert_no_error(error);
    fixture->path = g_build_filename(fixture->directory, "qmp", NULL);
}

static void
tear_down(Fixture *fixture, gconstpointer unused)
{
    g_unlink(fixture->path);
    g_rmdir(fixture->directory);
    g_free(fixture->path);
    g_free(fixture->directory);
}

static int
listen_at(const char *path, int type, int backlog)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    g_assert_cmpint(bind(fd, (struct sockaddr *)&address, sizeof address), ==,
                    0);
    if (type == SOCK_STREAM) {
        g_assert_cmpint(listen(fd, backlog), ==, 0);
    }
    return fd;
}

static void
assert_fails(const char *path, ErrorCode code, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(qmp_client_open(path, 100, &error));
    g_test_message("%s: %s", error_code_name((ErrorCode)error->code),
                   error->message);
    g_assert_true(error_is(error, code));
    g_assert_nonnull(strstr(error->message, words));
}

static void
test_absent(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *below = g_build_filename(fixture->path, "x", NULL);
    assert_fails(fixture->path, ERROR_PEER_GONE, "server=on,wait=off");
    assert_fails(below, ERROR_PEER_GONE, "is the VM running");
}

static void
test_not_a_path(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *name = g_strnfill(120, 'x');
    g_autofree char *path = g_build_filename(fixture->directory, name, NULL);
    assert_fails(path, ERROR_USAGE, "the kernel takes 107");
    assert_fails("", ERROR_USAGE, "empty");
}

/* QEMU made it from within its directory, by a short name: that it has a long
 * one from the root is no reason not to reach it. */
static void
test_long_directory(Fixture *fixture, gconstpointer unused)
{
    g_autofree char *name = g_strnfill(120, 'd');
    g_autofree char *below = g_build_filename(fixture->directory, name, NULL);
    g_autofree char *path = g_build_filename(below, "qmp", NULL);
    g_autofree char *before = g_get_current_dir();
    g_assert_no_errno(g_mkdir(below, 0700));
    g_assert_no_errno(g_chdir(below));
    autofd fd = listen_at("qmp", SOCK_STREAM, 1);
    g_assert_no_errno(g_chdir(before));
    /* Connected, and nobody says a word. */
    g_autoptr(GError) error = NULL;
    g_assert_null(qmp_client_open(path, 100, &error));
    g_test_message("%s", error->message);
    g_assert_true(error_is(error, ERROR_RETRY));
    g_assert_no_errno(g_unlink(path));
    g_assert_no_errno(g_rmdir(below));
}

static void
test_not_a_socket(Fixture *fixture, gconstpointer unused)
{
    g_assert_true(g_file_set_contents(fixture->path, "x", 1, NULL));
    assert_fails(fixture->path, ERROR_USAGE, "is a regular file, not a socket");
    assert_fails(fixture->directory, ERROR_USAGE, "is a directory");
}

static void
test_not_a_stream(Fixture *fixture, gconstpointer unused)
{
    autofd fd = listen_at(fixture->path, SOCK_DGRAM, 0);
    assert_fails(fixture->path, ERROR_USAGE, "not a stream");
}

static void
test_left_behind(Fixture *fixture, gconstpointer unused)
{
    int fd = listen_at(fixture->path, SOCK_STREAM, 1);
    fd_clear(&fd);
    assert_fails(fixture->path, ERROR_PEER_GONE, "nobody listens");
}

static void
test_not_allowed(Fixture *fixture, gconstpointer unused)
{
    autofd fd = listen_at(fixture->path, SOCK_STREAM, 1);
    bool root = geteuid() == 0;
    g_assert_cmpint(chmod(fixture->path, 0), ==, 0);
    /* Root may connect to anything: take its powers away for the while. */
    if (root) {
        g_assert_cmpint(chmod(fixture->directory, 0755), ==, 0);
        g_assert_cmpint(seteuid(NOBODY), ==, 0);
    }
    assert_fails(fixture->path, ERROR_FAILED, "Permission denied; run as root");
    if (root) {
        g_assert_cmpint(seteuid(0), ==, 0);
    }
}

/* QEMU does not accept while it has a client, so the next one waits in the
 * backlog, and the ones after that cannot even connect. */
static void
test_occupied(Fixture *fixture, gconstpointer unused)
{
    autofd fd = listen_at(fixture->path, SOCK_STREAM, 0);
    assert_fails(fixture->path, ERROR_RETRY, "another client probably");
    /* That one is still in the backlog, which has room for one. */
    uint64_t start_ns = fd_now_ns();
    assert_fails(fixture->path, ERROR_RETRY, "another client probably");
    g_assert_cmpuint(fd_now_ns() - start_ns, <, UINT64_C(10000000000));
}

static void
add(const char *path, void (*test)(Fixture *, gconstpointer))
{
    g_test_add(path, Fixture, NULL, set_up, test, tear_down);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/qmp/socket/absent", test_absent);
    add("/qmp/socket/not-a-path", test_not_a_path);
    add("/qmp/socket/long-directory", test_long_directory);
    add("/qmp/socket/not-a-socket", test_not_a_socket);
    add("/qmp/socket/not-a-stream", test_not_a_stream);
    add("/qmp/socket/left-behind", test_left_behind);
    add("/qmp/socket/not-allowed", test_not_allowed);
    add("/qmp/socket/occupied", test_occupied);
    return g_test_run();
}
