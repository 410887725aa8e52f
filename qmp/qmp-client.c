/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The connection: see qmp-client.h. Everything that arrives goes through
 * client_dispatch(), whoever is waiting for what: QEMU puts events anywhere,
 * also between a command and its reply.
 */
#include "qmp/qmp-client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"
#include "qmp/qmp-frame.h"
#include "qmp/qmp-message.h"
#include "qmp/qmp-socket.h"

#define CHUNK_BYTES 65536
/* A peer that never stops talking must not keep qmp_client_pump() for ever;
 * what is left makes the descriptor readable again at once. */
#define PUMP_CHUNKS 128

struct QmpClient {
    char *path;
    int fd;
    pid_t peer_pid;
    int timeout_ms;
    uint64_t greeting_ns; /* the deadline until it is greeted */
    bool greeted;
    int major, minor, micro;
    QmpFrame frame;
    GQueue events;     /* of QmpEvent, oldest first */
    gint64 last_id;    /* of the newest command */
    gint64 awaited_id; /* whose reply somebody waits for; 0: nobody */
    QmpMessage *reply; /* to awaited_id */
    GError *dead;      /* why this connection is of no use any more */
};

/* Notes WHY (taken) as the end of this connection, and reports it. */
static bool
client_die(QmpClient *client, GError *why, GError **error)
{
    g_prefix_error(&why, "QMP socket '%s': ", client->path);
    g_clear_error(&client->dead);
    client->dead = why;
    g_propagate_error(error, g_error_copy(why));
    return false;
}

static bool
die_gone(QmpClient *client, const char *how, GError **error)
{
    GError *why = NULL;
    error_set(&why, ERROR_VM_GONE,
              "%s: QEMU has ended, or its monitor was closed", how);
    return client_die(client, why, error);
}

static bool
take_greeting(QmpClient *client, const QmpMessage *message, GError **error)
{
    if (client->greeted) {
        return error_set(error, ERROR_PROTOCOL, "a second greeting");
    }
    client->greeted = true;
    client->major = message->major;
    client->minor = message->minor;
    client->micro = message->micro;
    return true;
}

static bool
take_reply(QmpClient *client, QmpMessage **message, GError **error)
{
    gint64 id = (*message)->id;
    if (id != 0 && id == client->awaited_id) {
        g_clear_pointer(&client->reply, qmp_message_free);
        client->reply = g_steal_pointer(message);
        client->awaited_id = 0;
        return true;
    }
    if (id > 0 && id <= client->last_id) {
        g_debug("'%s': late reply to command %" G_GINT64_FORMAT " dropped",
                client->path, id);
        return true;
    }
    return error_set(error, ERROR_PROTOCOL,
                     "a reply to nothing we asked%s%s",
                     (*message)->error_desc ? ": " : "",
                     (*message)->error_desc ? (*message)->error_desc : "");
}

/* One complete message; keeps of *MESSAGE what it needs. */
static bool
client_dispatch(QmpClient *client, QmpMessage **message, GError **error)
{
    switch ((*message)->kind) {
    case QMP_MESSAGE_GREETING:
        return take_greeting(client, *message, error);
    case QMP_MESSAGE_EVENT:
        g_queue_push_tail(&client->events,
                          g_steal_pointer(&(*message)->event));
        return true;
    case QMP_MESSAGE_RETURN:
    case QMP_MESSAGE_ERROR:
        return take_reply(client, message, error);
    }
    g_assert_not_reached();
}

/* Dispatches every message that is complete. */
static bool
client_digest(QmpClient *client, GError **error)
{
    for (;;) {
        g_autoptr(GError) why = NULL;
        g_autofree char *text = NULL;
        gsize bytes = 0;
        if (!qmp_frame_next(&client->frame, &text, &bytes, &why)) {
            return client_die(client, g_steal_pointer(&why), error);
        }
        if (!text) {
            return true;
        }
        g_autoptr(QmpMessage) message = qmp_message_parse(text, bytes, &why);
        if (!message || !client_dispatch(client, &message, &why)) {
            return client_die(client, g_steal_pointer(&why), error);
        }
    }
}

static bool
already_dead(QmpClient *client, GError **error)
{
    if (client->dead) {
        g_propagate_error(error, g_error_copy(client->dead));
    }
    return client->dead != NULL;
}

/* One chunk, without waiting. *MORE is false when nothing is left. */
static bool
client_receive(QmpClient *client, bool *more, GError **error)
{
    char chunk[CHUNK_BYTES];
    *more = false;
    if (already_dead(client, error)) {
        return false;
    }
    ssize_t n = recv(client->fd, chunk, sizeof chunk, MSG_DONTWAIT);
    if (n > 0) {
        *more = true;
        qmp_frame_append(&client->frame, chunk, (gsize)n);
        return client_digest(client, error);
    }
    if (n == 0) {
        return die_gone(client, "QEMU closed the connection", error);
    }
    if (errno == EAGAIN || errno == EINTR) {
        *more = errno == EINTR;
        return true;
    }
    return die_gone(client, g_strerror(errno), error);
}

bool
qmp_client_pump(QmpClient *client, GError **error)
{
    bool more = true;
    for (int i = 0; more && i < PUMP_CHUNKS; i++) {
        if (!client_receive(client, &more, error)) {
            return false;
        }
    }
    return true;
}

/* Receives until *DONE (something client_dispatch() changes) or the deadline.
 */
static bool
receive_until(QmpClient *client, bool (*done)(const QmpClient *),
              uint64_t deadline_ns, GError **error)
{
    while (!done(client)) {
        bool more = false;
        if (!fd_wait(client->fd, POLLIN, deadline_ns, error) ||
            !client_receive(client, &more, error)) {
            /* The reply may have come right before the end. */
            if (!done(client)) {
                return false;
            }
            g_clear_error(error);
        }
        /* fd_wait() is content as long as something arrives; a peer that
         * talks without answering is late all the same. */
        if (!done(client) && deadline_ns && fd_now_ns() >= deadline_ns) {
            return error_set(error, ERROR_RETRY, "timed out");
        }
    }
    return true;
}

static bool
has_greeting(const QmpClient *client)
{
    return client->greeted;
}

static bool
has_reply(const QmpClient *client)
{
    return client->reply != NULL;
}

/* Sends TEXT, with PASSED unless it is negative. Waits for room first: then a
 * time-out means that nothing was sent, and the connection stays usable. (A
 * UNIX socket is writable when most of its buffer is free, which is far more
 * than any command of ours.) A failure after that may have left half a
 * command behind: nothing can be said on this connection any more. */
static bool
send_text(QmpClient *client, const char *text, int passed,
          uint64_t deadline_ns, GError **error)
{
    g_autoptr(GError) why = NULL;
    if (!fd_wait(client->fd, POLLOUT, deadline_ns, error)) {
        return false;
    }
    bool sent = passed < 0 ? fd_write_all(client->fd, text, strlen(text),
                                          deadline_ns, &why)
                           : fd_send_with_fd(client->fd, text, strlen(text),
                                             passed, &why);
    if (sent) {
        return true;
    }
    /* What QEMU said before it went, its SHUTDOWN above all, is still there
     * to be read, and qmp_client_pop_event() shall find it. */
    (void)qmp_client_pump(client, NULL);
    if (!already_dead(client, error)) {
        die_gone(client, why->message, error);
    }
    return false;
}

/* QEMU's refusal, in its own words. */
static void
client_refuse(const QmpMessage *reply, const char *command, GError **error)
{
    bool unknown = g_strcmp0(reply->error_class, "CommandNotFound") == 0;
    error_set(error, unknown ? ERROR_UNSUPPORTED : ERROR_FAILED,
              "QEMU refused '%s': %s", command, reply->error_desc);
}

static void
explain_time_out(QmpClient *client, const char *command, GError **error)
{
    if (error && error_is(*error, ERROR_RETRY)) {
        g_clear_error(error);
        error_set(error, ERROR_RETRY,
                  "QEMU did not answer '%s' on QMP socket '%s' in time: its "
                  "main loop is busy or stopped (a page fault, a slow disk, "
                  "a debugger); try again",
                  command, client->path);
    } else {
        g_prefix_error(error, "'%s': ", command);
    }
}

static JsonNode *
execute_until(QmpClient *client, const char *command, JsonNode *arguments,
              int passed, uint64_t deadline_ns, GError **error)
{
    g_autoptr(JsonNode) taken = arguments;
    g_autoptr(GError) why = NULL;
    if (already_dead(client, error)) {
        g_prefix_error(error, "'%s': ", command);
        return NULL;
    }
    gint64 id = ++client->last_id;
    g_autofree char *text = qmp_message_command(command, id, taken);
    client->awaited_id = id;
    bool ok = send_text(client, text, passed, deadline_ns, &why) &&
              receive_until(client, has_reply, deadline_ns, &why);
    client->awaited_id = 0;
    g_autoptr(QmpMessage) reply = g_steal_pointer(&client->reply);
    if (!ok) {
        explain_time_out(client, command, &why);
        g_propagate_error(error, g_steal_pointer(&why));
        return NULL;
    }
    if (reply->kind == QMP_MESSAGE_ERROR) {
        client_refuse(reply, command, error);
        return NULL;
    }
    return g_steal_pointer(&reply->value);
}

JsonNode *
qmp_client_execute(QmpClient *client, const char *command,
                   JsonNode *arguments, GError **error)
{
    return execute_until(client, command, arguments, -1,
                         fd_deadline_ns(client->timeout_ms), error);
}

JsonNode *
qmp_client_execute_with_fd(QmpClient *client, const char *command,
                           JsonNode *arguments, int fd, GError **error)
{
    return execute_until(client, command, arguments, fd,
                         fd_deadline_ns(client->timeout_ms), error);
}

/* Connected or queued, but not greeted: QEMU serves one client per monitor
 * and lets the next one wait without a word. */
static void
explain_silence(const char *path, int timeout_ms, GError **error)
{
    g_clear_error(error);
    error_set(error, ERROR_RETRY,
              "no greeting on QMP socket '%s' within %d ms: another client "
              "probably holds this monitor (libvirt holds its own), and QEMU "
              "serves one at a time; close it, or give the VM a second "
              "monitor: -qmp unix:PATH,server=on,wait=off",
              path, timeout_ms);
}

QmpClient *
qmp_client_connect(const char *path, int timeout_ms, GError **error)
{
    g_autoptr(QmpClient) client = g_new0(QmpClient, 1);
    client->path = g_strdup(path);
    client->fd = -1;
    client->timeout_ms =
        timeout_ms < 0 ? QMP_CLIENT_DEFAULT_TIMEOUT_MS : timeout_ms;
    client->greeting_ns = fd_deadline_ns(client->timeout_ms);
    g_queue_init(&client->events);
    qmp_frame_init(&client->frame);
    g_autoptr(GError) why = NULL;
    if (!qmp_socket_connect(path, client->greeting_ns, &client->fd,
                            &client->peer_pid, &why)) {
        if (error_is(why, ERROR_RETRY)) {
            explain_silence(path, client->timeout_ms, &why);
        }
        g_propagate_error(error, g_steal_pointer(&why));
        return NULL;
    }
    return g_steal_pointer(&client);
}

bool
qmp_client_greet(QmpClient *client, GError **error)
{
    g_autoptr(GError) why = NULL;
    if (!receive_until(client, has_greeting, client->greeting_ns, &why)) {
        if (error_is(why, ERROR_RETRY)) {
            explain_silence(client->path, client->timeout_ms, &why);
        }
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    g_autoptr(JsonNode) agreed = execute_until(
        client, "qmp_capabilities", NULL, -1, client->greeting_ns, error);
    return agreed != NULL;
}

QmpClient *
qmp_client_open(const char *path, int timeout_ms, GError **error)
{
    g_autoptr(QmpClient) client = qmp_client_connect(path, timeout_ms, error);
    return client && qmp_client_greet(client, error)
               ? g_steal_pointer(&client)
               : NULL;
}

void
qmp_client_close(QmpClient *client)
{
    if (!client) {
        return;
    }
    fd_clear(&client->fd);
    qmp_frame_clear(&client->frame);
    g_queue_clear_full(&client->events, (GDestroyNotify)qmp_event_free);
    g_clear_pointer(&client->reply, qmp_message_free);
    g_clear_error(&client->dead);
    g_free(client->path);
    g_free(client);
}

void
qmp_client_set_timeout(QmpClient *client, int timeout_ms)
{
    client->timeout_ms =
        timeout_ms < 0 ? QMP_CLIENT_DEFAULT_TIMEOUT_MS : timeout_ms;
}

void
qmp_client_version(const QmpClient *client, int *major, int *minor, int *micro)
{
    *major = client->major;
    *minor = client->minor;
    *micro = client->micro;
}

pid_t
qmp_client_peer_pid(const QmpClient *client)
{
    return client->peer_pid;
}

QmpEvent *
qmp_client_pop_event(QmpClient *client)
{
    return g_queue_pop_head(&client->events);
}

int
qmp_client_fd(const QmpClient *client)
{
    return client->fd;
}
