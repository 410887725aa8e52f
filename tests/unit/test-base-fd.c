/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Descriptors: the last byte or a reason, never a signal, never later than
 * the deadline.
 */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

#define MANY (1u << 20)

static void
pair(int fds[2])
{
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
}

/* Writes MANY bytes in pieces of changing, odd size. */
static gpointer
dribble(gpointer data)
{
    int fd = GPOINTER_TO_INT(data);
    uint8_t bytes[4099];
    for (uint32_t at = 0; at < MANY;) {
        uint32_t n = MIN(1 + at * 7 % sizeof bytes, MANY - at);
        for (uint32_t i = 0; i < n; i++) {
            bytes[i] = (uint8_t)((at + i) % 251);
        }
        g_assert_true(fd_write_all(fd, bytes, n, 0, NULL));
        at += n;
    }
    return NULL;
}

static void
read_in_pieces(gconstpointer data)
{
    autofd here = -1, there = -1;
    int fds[2];
    g_autoptr(GError) error = NULL;
    g_autofree uint8_t *bytes = g_malloc(MANY);
    pair(fds);
    here = fds[0];
    there = fds[1];
    fd_set_nonblocking(here, GPOINTER_TO_INT(data), &error);
    g_assert_no_error(error);
    GThread *writer = g_thread_new("dribble", dribble, GINT_TO_POINTER(there));
    fd_read_all(here, bytes, MANY, 0, &error);
    g_thread_join(writer);
    g_assert_no_error(error);
    for (uint32_t i = 0; i < MANY; i++) {
        g_assert_cmpuint(bytes[i], ==, i % 251);
    }
}

static void
end_of_file_in_the_middle(void)
{
    int fds[2];
    char bytes[8];
    g_autoptr(GError) error = NULL;
    pair(fds);
    autofd here = fds[0];
    g_assert_cmpint(write(fds[1], "four", 4), ==, 4);
    close(fds[1]);
    g_assert_false(fd_read_all(here, bytes, sizeof bytes, 0, &error));
    g_assert_true(error_is(error, ERROR_PEER_GONE));
}

static void
read_meets_its_deadline(void)
{
    int fds[2];
    char bytes[8];
    g_autoptr(GError) error = NULL;
    pair(fds);
    autofd here = fds[0], there = fds[1];
    g_assert_cmpint(write(there, "four", 4), ==, 4);
    uint64_t before = fd_now_ns();
    g_assert_false(
        fd_read_all(here, bytes, sizeof bytes, fd_deadline_ns(50), &error));
    uint64_t took_ms = (fd_now_ns() - before) / 1000000;
    g_assert_true(error_is(error, ERROR_RETRY));
    g_assert_cmpuint(took_ms, >=, 50);
    g_assert_cmpuint(took_ms, <, 5000);
    g_assert_cmpuint(fd_deadline_ns(-1), ==, 0);
}

/* A blocking socket that nobody empties: poll() says "writable" while one byte
 * of room is left, and an ordinary send() would then wait for all of it. */
static void
write_meets_its_deadline(void)
{
    int fds[2];
    g_autoptr(GError) error = NULL;
    g_autofree uint8_t *bytes = g_malloc0(4 * MANY);
    pair(fds);
    autofd here = fds[0], there = fds[1];
    uint64_t before = fd_now_ns();
    g_assert_false(
        fd_write_all(here, bytes, 4 * MANY, fd_deadline_ns(50), &error));
    g_assert_true(error_is(error, ERROR_RETRY));
    g_assert_cmpuint((fd_now_ns() - before) / 1000000, <, 5000);
    (void)there;
}

/* SIGPIPE has its default action here: it would end this test. */
static void
write_to_nobody(void)
{
    int fds[2];
    g_autoptr(GError) error = NULL;
    signal(SIGPIPE, SIG_DFL);
    pair(fds);
    autofd here = fds[0];
    close(fds[1]);
    g_assert_false(fd_write_all(here, "x", 1, 0, &error));
    g_assert_true(error_is(error, ERROR_PEER_GONE));
}

static void
what_is_no_socket(void)
{
    int fds[2];
    char bytes[5] = "";
    g_autoptr(GError) error = NULL;
    g_assert_no_errno(pipe2(fds, O_CLOEXEC));
    autofd out = fds[0], in = fds[1];
    fd_write_all(in, "pipe", 4, fd_deadline_ns(5000), &error);
    g_assert_no_error(error);
    fd_read_all(out, bytes, 4, fd_deadline_ns(5000), &error);
    g_assert_no_error(error);
    g_assert_cmpstr(bytes, ==, "pipe");
    g_assert_false(fd_read_all(-1, bytes, 1, 0, &error));
    g_assert_true(error_is(error, ERROR_FAILED));
}

static int
receive_fd(int socket)
{
    char byte;
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof control.room};
    g_assert_cmpint(recvmsg(socket, &message, MSG_CMSG_CLOEXEC), ==, 1);
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    g_assert_nonnull(header);
    g_assert_cmpint(header->cmsg_type, ==, SCM_RIGHTS);
    int fd;
    memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return fd;
}

static void
a_descriptor_is_passed(void)
{
    int fds[2], pipes[2];
    char text[6] = "", byte;
    g_autoptr(GError) error = NULL;
    pair(fds);
    g_assert_no_errno(pipe2(pipes, O_CLOEXEC));
    autofd here = fds[0], there = fds[1], out = pipes[0], in = pipes[1];
    fd_send_with_fd(here, "take", 4, in, &error);
    g_assert_no_error(error);
    fd_clear(&in);
    autofd got = receive_fd(there);
    fd_read_all(there, text, 3, 0, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(text, ==, "ake");
    g_assert_cmpint(write(got, "!", 1), ==, 1);
    g_assert_cmpint(read(out, &byte, 1), ==, 1);
    g_assert_cmpint(byte, ==, '!');
    fd_clear(&there);
    g_assert_false(fd_send_with_fd(here, "take", 4, out, &error));
    g_assert_true(error_is(error, ERROR_PEER_GONE));
}

static void
closed_by_scope(void)
{
    int number, stolen;
    {
        autofd fd = dup(0);
        number = fd;
        autofd kept = dup(0);
        stolen = fd_steal(&kept);
        g_assert_cmpint(kept, ==, -1);
        errno = ENOTTY;
        fd_clear(&kept);
        g_assert_cmpint(errno, ==, ENOTTY);
    }
    g_assert_cmpint(fcntl(number, F_GETFD), ==, -1);
    g_assert_cmpint(fcntl(stolen, F_GETFD), >=, 0);
    close(stolen);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/fd/pieces", GINT_TO_POINTER(0), read_in_pieces);
    g_test_add_data_func("/fd/pieces/nonblocking", GINT_TO_POINTER(1),
                         read_in_pieces);
    g_test_add_func("/fd/eof", end_of_file_in_the_middle);
    g_test_add_func("/fd/deadline/read", read_meets_its_deadline);
    g_test_add_func("/fd/deadline/write", write_meets_its_deadline);
    g_test_add_func("/fd/sigpipe", write_to_nobody);
    g_test_add_func("/fd/pipe", what_is_no_socket);
    g_test_add_func("/fd/passing", a_descriptor_is_passed);
    g_test_add_func("/fd/scope", closed_by_scope);
    return g_test_run();
}
