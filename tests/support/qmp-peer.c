/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The scripted monitor: see qmp-peer.h.
 */
#include "tests/support/qmp-peer.h"

#include <glib/gstdio.h>
#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

/* A script that hangs is a failed test, not a hung one. */
#define HEAR_TIMEOUT_MS 20000
#define FLOOD_BYTES ((gsize)9 << 20)

struct QmpPeer {
    char *directory;
    char *path;
    int listener;
    int fd;
    const QmpPeerStep *steps;
    GThread *thread;
    GAsyncQueue *go;
    int go_credit;     /* what qmp_peer_go() pushes: its address */
    char *id, *old_id; /* of the last command heard and the one before */
    char *failure;
};

/* Asserting on this thread would leave the socket behind. */
static void G_GNUC_PRINTF(2, 3)
fail(QmpPeer *peer, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    g_free(peer->failure);
    peer->failure = g_strdup_vprintf(format, args);
    va_end(args);
}

/* A client that hangs up while we speak is the test's business. */
static bool
say(QmpPeer *peer, const char *text, gsize bytes)
{
    return fd_write_all(peer->fd, text, bytes,
                        fd_deadline_ns(HEAR_TIMEOUT_MS), NULL);
}

static bool
dribble(QmpPeer *peer, const char *text)
{
    for (; *text; text++) {
        if (!say(peer, text, 1)) {
            return false;
        }
        g_usleep(200);
    }
    return true;
}

static bool
flood(QmpPeer *peer, char byte)
{
    g_autofree char *much = g_malloc(FLOOD_BYTES);
    memset(much, byte, FLOOD_BYTES);
    return say(peer, much, FLOOD_BYTES);
}

/* One byte, and a descriptor if one comes with it. */
static ssize_t
hear_byte(QmpPeer *peer, char *byte, int *passed)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec iov = {.iov_base = byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof control.room};
    ssize_t n = recvmsg(peer->fd, &message, MSG_CMSG_CLOEXEC);
    struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header && header->cmsg_type == SCM_RIGHTS) {
        fd_clear(passed);
        memcpy(passed, CMSG_DATA(header), sizeof *passed);
    }
    return n;
}

static char *
hear_line(QmpPeer *peer, int *passed)
{
    g_autoptr(GString) line = g_string_new(NULL);
    uint64_t deadline_ns = fd_deadline_ns(HEAR_TIMEOUT_MS);
    char byte = 0;
    while (byte != '\n') {
        if (!fd_wait(peer->fd, POLLIN, deadline_ns, NULL) ||
            hear_byte(peer, &byte, passed) != 1) {
            return NULL;
        }
        g_string_append_c(line, byte);
    }
    return g_string_free(g_steal_pointer(&line), false);
}

static void
keep_id(QmpPeer *peer, const char *line)
{
    const char *at = strstr(line, "\"id\":");
    g_free(peer->old_id);
    peer->old_id = peer->id;
    peer->id = NULL;
    if (at) {
        at += strlen("\"id\":");
        peer->id = g_strndup(at, strspn(at, "0123456789"));
    }
}

static bool
reads_as(int fd, const char *text)
{
    char buffer[64] = {0};
    ssize_t n = fd < 0 ? -1 : read(fd, buffer, sizeof buffer - 1);
    return n >= 0 && strcmp(buffer, text) == 0;
}

static bool
hear(QmpPeer *peer, const QmpPeerStep *step)
{
    autofd passed = -1;
    g_autofree char *line = hear_line(peer, &passed);
    if (!line) {
        fail(peer, "waited for '%s', heard nothing", step->text);
        return false;
    }
    keep_id(peer, line);
    if (!strstr(line, step->text)) {
        fail(peer, "waited for '%s', heard '%s'", step->text, line);
        return false;
    }
    if (step->verb == QMP_PEER_HEAR_FD && !reads_as(passed, step->text2)) {
        fail(peer, "'%s': no descriptor that reads as '%s'", step->text,
             step->text2);
        return false;
    }
    return true;
}

static bool
answer(QmpPeer *peer, const char *text, const char *id)
{
    g_autofree char *line =
        g_strdup_printf("{\"return\": %s, \"id\": %s}\r\n", text, id);
    return say(peer, line, strlen(line));
}

static bool
refuse(QmpPeer *peer, const QmpPeerStep *step)
{
    g_autofree char *line = g_strdup_printf(
        "{\"id\": %s, \"error\": {\"class\": \"%s\", \"desc\": \"%s\"}}\r\n",
        peer->id, step->text ? step->text : "GenericError", step->text2);
    return say(peer, line, strlen(line));
}

static bool
greet(QmpPeer *peer)
{
    static const char greeting[] =
        "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, "
        "\"major\": 7}, \"package\": \"\"}, \"capabilities\": [\"oob\"]}}\r\n";
    static const QmpPeerStep negotiation = {QMP_PEER_HEAR,
                                            "qmp_capabilities"};
    return say(peer, greeting, strlen(greeting)) && hear(peer, &negotiation) &&
           answer(peer, "{}", peer->id);
}

static bool
wait_for_go(QmpPeer *peer)
{
    if (!g_async_queue_timeout_pop(peer->go,
                                   (guint64)HEAR_TIMEOUT_MS * 1000)) {
        fail(peer, "nobody called qmp_peer_go()");
        return false;
    }
    return true;
}

static bool
do_step(QmpPeer *peer, const QmpPeerStep *step)
{
    switch (step->verb) {
    case QMP_PEER_GREET:
        return greet(peer);
    case QMP_PEER_SAY:
        return say(peer, step->text, strlen(step->text));
    case QMP_PEER_DRIBBLE:
        return dribble(peer, step->text);
    case QMP_PEER_FLOOD:
        return flood(peer, step->text[0]);
    case QMP_PEER_HEAR:
    case QMP_PEER_HEAR_FD:
        return hear(peer, step);
    case QMP_PEER_ANSWER:
        return answer(peer, step->text, peer->id);
    case QMP_PEER_ANSWER_OLD:
        return answer(peer, step->text, peer->old_id);
    case QMP_PEER_REFUSE:
        return refuse(peer, step);
    case QMP_PEER_WAIT:
        return wait_for_go(peer);
    case QMP_PEER_CLOSE:
    case QMP_PEER_END:
        break;
    }
    return false;
}

static gpointer
serve(gpointer data)
{
    QmpPeer *peer = data;
    const QmpPeerStep *step = peer->steps;
    if (!fd_wait(peer->listener, POLLIN, fd_deadline_ns(HEAR_TIMEOUT_MS),
                 NULL)) {
        fail(peer, "no client came");
        return NULL;
    }
    peer->fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);
    while (do_step(peer, step)) {
        step++;
    }
    char byte;
    int unwanted = -1;
    uint64_t deadline_ns = fd_deadline_ns(HEAR_TIMEOUT_MS);
    while (step->verb == QMP_PEER_END &&
           fd_wait(peer->fd, POLLIN, deadline_ns, NULL) &&
           hear_byte(peer, &byte, &unwanted) > 0) {
        fail(peer, "heard more than the script has");
    }
    fd_clear(&unwanted);
    fd_clear(&peer->fd);
    return NULL;
}

QmpPeer *
qmp_peer_start(const QmpPeerStep *steps)
{
    g_autoptr(GError) error = NULL;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    QmpPeer *peer = g_new0(QmpPeer, 1);
    peer->directory = g_dir_make_tmp("qmp-peer-XXXXXX", &error);
    g_assert_no_error(error);
    peer->path = g_build_filename(peer->directory, "qmp", NULL);
    peer->steps = steps;
    peer->fd = -1;
    peer->go = g_async_queue_new();
    peer->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_strlcpy(address.sun_path, peer->path, sizeof address.sun_path);
    g_assert_cmpint(bind(peer->listener, (struct sockaddr *)&address,
                         sizeof address), ==, 0);
    g_assert_cmpint(listen(peer->listener, 1), ==, 0);
    peer->thread = g_thread_new("qmp-peer", serve, peer);
    return peer;
}

const char *
qmp_peer_path(const QmpPeer *peer)
{
    return peer->path;
}

void
qmp_peer_go(QmpPeer *peer)
{
    g_async_queue_push(peer->go, &peer->go_credit);
}

void
qmp_peer_stop(QmpPeer *peer)
{
    g_thread_join(peer->thread);
    fd_clear(&peer->listener);
    g_unlink(peer->path);
    g_rmdir(peer->directory);
    g_assert_cmpstr(peer->failure, ==, NULL);
    g_async_queue_unref(peer->go);
    g_free(peer->directory);
    g_free(peer->path);
    g_free(peer->id);
    g_free(peer->old_id);
    g_free(peer);
}
