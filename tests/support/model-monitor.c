/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The monitors of a model of QEMU: see model-monitor.h.
 */
#include "tests/support/model-monitor.h"

#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"

#define SAY_MS 5000

typedef struct {
    int listener, fd;
    int passed;       /* a descriptor that came and was not taken, or -1 */
    GString *heard;
    char *waiting;    /* the line that is held up before it is carried out */
    char *late;       /* the answer that is held up */
} Monitor;

struct ModelMonitors {
    Monitor all[MODEL_MONITORS];
    unsigned version;
    ModelExecute execute;
    void *data;
    char *hold; /* or NULL */
    ModelWhen when;
    unsigned skip;
};

static int
listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(fd, 8) < 0) {
        g_error("cannot listen at %s", path);
    }
    return fd;
}

ModelMonitors *
model_monitors_open(const char *path, unsigned version, ModelExecute execute,
                    void *data)
{
    static const char *const endings[MODEL_MONITORS] = {"", "2", ".hand"};
    ModelMonitors *monitors = g_new0(ModelMonitors, 1);
    monitors->version = version;
    monitors->execute = execute;
    monitors->data = data;
    for (unsigned i = 0; i < MODEL_MONITORS; i++) {
        g_autofree char *name = g_strconcat(path, endings[i], NULL);
        monitors->all[i] = (Monitor){.listener = listen_at(name),
                                     .fd = -1, .passed = -1};
        monitors->all[i].heard = g_string_new(NULL);
    }
    return monitors;
}

static void
say(Monitor *monitor, const char *text)
{
    if (monitor->fd >= 0) {
        fd_write_all(monitor->fd, text, strlen(text), fd_deadline_ns(SAY_MS),
                     NULL);
    }
}

static void
hang_up(Monitor *monitor)
{
    fd_clear(&monitor->fd);
    fd_clear(&monitor->passed);
    g_string_truncate(monitor->heard, 0);
    g_clear_pointer(&monitor->waiting, g_free);
    g_clear_pointer(&monitor->late, g_free);
}

void
model_monitors_event(ModelMonitors *monitors, const char *name,
                     const char *data)
{
    gint64 now = g_get_real_time();
    g_autofree char *text = g_strdup_printf(
        "{\"timestamp\": {\"seconds\": %" G_GINT64_FORMAT ", "
        "\"microseconds\": %" G_GINT64_FORMAT "}, \"event\": \"%s\"%s%s}\r\n",
        now / 1000000, now % 1000000, name, data ? ", \"data\": " : "",
        data ? data : "");
    for (unsigned i = 0; i < MODEL_MONITORS; i++) {
        say(&monitors->all[i], text);
    }
}

void
model_monitors_tell_hand(ModelMonitors *monitors, const char *what)
{
    g_autofree char *text = g_strdup_printf(
        "{\"timestamp\": {\"seconds\": 1, \"microseconds\": 0}, "
        "\"event\": \"MODEL_AT\", \"data\": {\"status\": \"%s\"}}\r\n",
        what);
    say(&monitors->all[MODEL_HAND], text);
}

void
model_monitors_hold(ModelMonitors *monitors, const char *text, ModelWhen when,
                    unsigned skip)
{
    g_free(monitors->hold);
    monitors->hold = g_strdup(text);
    monitors->when = when;
    monitors->skip = skip;
}

static char *
reply_text(ModelReply *reply, gint64 id)
{
    g_autofree char *value = reply->value;
    g_autofree char *error = reply->error;
    g_autofree char *words = error ? g_strescape(error, NULL) : NULL;
    return value ? g_strdup_printf("{\"return\": %s, \"id\": %"
                                   G_GINT64_FORMAT "}\r\n", value, id)
                 : g_strdup_printf("{\"id\": %" G_GINT64_FORMAT ", \"error\": "
                                   "{\"class\": \"%s\", \"desc\": \"%s\"}}\r\n",
                                   id,
                                   reply->unknown ? "CommandNotFound"
                                                  : "GenericError",
                                   words);
}

static char *
carry_out(ModelMonitors *monitors, Monitor *monitor, const char *line)
{
    g_autoptr(JsonNode) node = json_from_string(line, NULL);
    if (!node || !JSON_NODE_HOLDS_OBJECT(node)) {
        return g_strdup("{\"error\": {\"class\": \"GenericError\", "
                        "\"desc\": \"not JSON\"}}\r\n");
    }
    JsonObject *object = json_node_get_object(node);
    const char *command =
        json_object_get_string_member_with_default(object, "execute", "");
    gint64 id = json_object_get_int_member_with_default(object, "id", 0);
    JsonObject *arguments =
        json_object_has_member(object, "arguments")
            ? json_object_get_object_member(object, "arguments")
            : NULL;
    ModelReply reply = {.value = g_strdup("{}")};
    if (!g_str_equal(command, "qmp_capabilities")) {
        g_free(reply.value);
        reply = monitors->execute(monitors->data,
                                  (unsigned)(monitor - monitors->all), command,
                                  arguments, &monitor->passed);
    }
    fd_clear(&monitor->passed);
    return reply_text(&reply, id);
}

static bool
is_held(ModelMonitors *monitors, const Monitor *monitor, const char *line,
        ModelWhen when)
{
    if (monitor == &monitors->all[MODEL_HAND] || !monitors->hold ||
        monitors->when != when || !strstr(line, monitors->hold)) {
        return false;
    }
    if (monitors->skip > 0) {
        monitors->skip--;
        return false;
    }
    g_clear_pointer(&monitors->hold, g_free);
    return true;
}

static void
take_line(ModelMonitors *monitors, Monitor *monitor, const char *line)
{
    if (is_held(monitors, monitor, line, MODEL_BEFORE)) {
        monitor->waiting = g_strdup(line);
        model_monitors_tell_hand(monitors, "command");
        return;
    }
    g_autofree char *answer = carry_out(monitors, monitor, line);
    if (is_held(monitors, monitor, line, MODEL_AFTER)) {
        monitor->late = g_steal_pointer(&answer);
        model_monitors_tell_hand(monitors, "command");
        return;
    }
    say(monitor, answer);
}

static bool
is_busy(const Monitor *monitor)
{
    return monitor->waiting || monitor->late;
}

static void
take_lines(ModelMonitors *monitors, Monitor *monitor)
{
    char *end;
    while (!is_busy(monitor) && (end = strchr(monitor->heard->str, '\n'))) {
        gsize bytes = (gsize)(end - monitor->heard->str) + 1;
        g_autofree char *line = g_strndup(monitor->heard->str, bytes - 1);
        g_string_erase(monitor->heard, 0, (gssize)bytes);
        take_line(monitors, monitor, line);
    }
}

void
model_monitors_go(ModelMonitors *monitors)
{
    for (unsigned i = 0; i < MODEL_MONITORS; i++) {
        Monitor *monitor = &monitors->all[i];
        g_autofree char *line = g_steal_pointer(&monitor->waiting);
        g_autofree char *late = g_steal_pointer(&monitor->late);
        if (line && !late) {
            late = carry_out(monitors, monitor, line);
        }
        if (late) {
            say(monitor, late);
        }
        take_lines(monitors, monitor);
    }
}

static void
accept_client(ModelMonitors *monitors, Monitor *monitor)
{
    monitor->fd = accept4(monitor->listener, NULL, NULL, SOCK_CLOEXEC);
    g_autofree char *greeting = g_strdup_printf(
        "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": %u, "
        "\"major\": %u}, \"package\": \"\"}, \"capabilities\": []}}\r\n",
        monitors->version == 7 ? 2 : 0, monitors->version);
    say(monitor, greeting);
}

static void
hear(ModelMonitors *monitors, Monitor *monitor)
{
    char room[4096];
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec iov = {.iov_base = room, .iov_len = sizeof room};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1,
                             .msg_control = control.bytes,
                             .msg_controllen = sizeof control.bytes};
    ssize_t n = recvmsg(monitor->fd, &message, MSG_CMSG_CLOEXEC);
    struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header && header->cmsg_type == SCM_RIGHTS) {
        fd_clear(&monitor->passed);
        memcpy(&monitor->passed, CMSG_DATA(header), sizeof(int));
    }
    if (n <= 0) {
        hang_up(monitor);
        return;
    }
    g_string_append_len(monitor->heard, room, n);
    take_lines(monitors, monitor);
}

/* Who is held up may hang up, and then nothing of him is carried out. */
void
model_monitors_serve(ModelMonitors *monitors, int extra, int timeout_ms)
{
    struct pollfd fds[MODEL_MONITORS + 1];
    for (unsigned i = 0; i < MODEL_MONITORS; i++) {
        const Monitor *monitor = &monitors->all[i];
        fds[i] = (struct pollfd){
            .fd = monitor->fd >= 0 ? monitor->fd : monitor->listener,
            .events = is_busy(monitor) ? POLLRDHUP : POLLIN};
    }
    fds[MODEL_MONITORS] = (struct pollfd){.fd = extra, .events = POLLIN};
    if (poll(fds, MODEL_MONITORS + 1, timeout_ms) <= 0) {
        return;
    }
    for (unsigned i = 0; i < MODEL_MONITORS; i++) {
        Monitor *monitor = &monitors->all[i];
        if (!fds[i].revents) {
            continue;
        }
        if (monitor->fd < 0) {
            accept_client(monitors, monitor);
        } else if (is_busy(monitor)) {
            hang_up(monitor);
        } else {
            hear(monitors, monitor);
        }
    }
}
