/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The status socket and its readers: see migrate-status.h.
 */
#include "migrate/show/migrate-status.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <inttypes.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/printable.h"
#include "base/proc-life.h"
#include "migrate/core/migrate-json.h"
#include "migrate/core/migrate-rundir.h"
#include "migrate/core/migrate-trust.h"
#include "migrate/show/migrate-figures.h"
#include "migrate/takeover/migrate-archive.h"

#define ANSWER_MS 2000
#define DIAL_US 100000
#define ANSWER_MAX 65536

struct MigrateStatus {
    const MigrateSession *session;
    char *path;
    int listener;
    guint watch;
};

char *
migrate_status_to_json(const MigrateSession *session)
{
    MigrateFigures figures;
    migrate_figures_take(session, &figures);
    g_autoptr(JsonBuilder) json = json_builder_new();
    json_builder_begin_object(json);
    migrate_json_int(json, "schema", 1);
    migrate_json_text(json, "role",
             session->options.role == MIGRATE_SEND ? "send" : "receive");
    migrate_json_int(json, "pid", (uint64_t)getpid());
    migrate_json_int(json, "qemu_pid", (uint64_t)session->guest.pid);
    migrate_json_text(json, "vm", session->guest.identity.name);
    migrate_json_text(json, "uuid", session->guest.identity.uuid);
    migrate_json_text(json, "peer", session->options.address);
    migrate_json_text(json, "peer_host", session->peer.host);
    const char *tls = migrate_trust_kind(session->peer.address);
    migrate_json_text(json, "tls", tls ? tls : "no");
    migrate_json_text(json, "stage", migrate_stage_id_name(session->stage));
    migrate_json_bool(json, "past_no_return", session->past_no_return);
    migrate_json_bool(json, "peer_lost", session->peer.control_lost);
    migrate_json_bool(json, "unrecorded", session->unrecorded);
    migrate_json_bool(json, "lacks_memory", figures.lacks_memory);
    migrate_json_bool(json, "source_ran", session->report.source_ran);
    if (session->guest.ended) {
        migrate_json_text(json, "ended", wire_ended_name(session->guest.ended));
    }
    migrate_json_int(json, "total_pages", figures.total_pages);
    migrate_json_int(json, "present_pages", figures.present_pages);
    migrate_json_int(json, "faults", figures.faults);
    migrate_json_int(json, "bytes", figures.bytes);
    migrate_json_int(json, "huge_extents", figures.huge_extents);
    json_builder_end_object(json);
    return migrate_json_finish(json, false);
}

static bool
may_ask(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static gboolean
on_caller(gint listener, GIOCondition condition, gpointer data)
{
    MigrateStatus *status = data;
    autofd fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0 && may_ask(fd)) {
        /* A few hundred bytes fit into the socket: this cannot wait. */
        g_autofree char *json = migrate_status_to_json(status->session);
        ssize_t ignored = send(fd, json, strlen(json), MSG_NOSIGNAL);
        (void)ignored;
    }
    return G_SOURCE_CONTINUE;
}

static bool
address_of(const char *path, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    return g_strlcpy(address->sun_path, path, sizeof address->sun_path) <
           sizeof address->sun_path;
}

/* A socket that is bound and does not listen yet refuses callers as a dead
 * helper's does, and who calls would remove it (status_dial()): so it gets its
 * name when it listens. */
static bool
listen_at(MigrateStatus *status, GError **error)
{
    struct sockaddr_un address;
    g_autofree char *early = g_strconcat(status->path, ".early", NULL);
    if (!address_of(early, &address)) {
        return error_set(error, ERROR_FAILED, "path too long: %s", early);
    }
    unlink(early); /* of an earlier process with our number */
    status->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (status->listener < 0 ||
        bind(status->listener, (struct sockaddr *)&address,
             sizeof address) < 0 ||
        chmod(early, 0600) < 0 || listen(status->listener, 8) < 0 ||
        rename(early, status->path) < 0) {
        return error_set_errno(error, errno, "listen on %s", status->path);
    }
    return true;
}

MigrateStatus *
migrate_status_open(const MigrateSession *session)
{
    g_autofree char *directory = migrate_rundir_path();
    g_autoptr(MigrateStatus) status = g_new0(MigrateStatus, 1);
    g_autoptr(GError) why = NULL;
    status->session = session;
    status->listener = -1;
    status->path = g_strdup_printf(
        "%s/%s-%d.sock", directory,
        session->options.role == MIGRATE_SEND ? "send" : "receive",
        (int)getpid());
    if (!migrate_rundir_make(directory, &why) || !listen_at(status, &why)) {
        g_warning("'postlude status' will not see this process: %s",
                  why->message);
        g_clear_pointer(&status->path, g_free);
        return NULL;
    }
    status->watch =
        g_unix_fd_add(status->listener, G_IO_IN, on_caller, status);
    return g_steal_pointer(&status);
}

void
migrate_status_close(MigrateStatus *status)
{
    if (status->watch) {
        g_source_remove(status->watch);
    }
    fd_clear(&status->listener);
    if (status->path) {
        unlink(status->path);
    }
    g_free(status->path);
    g_free(status);
}

/* A connection to the helper behind PATH, or -1; the socket of one that was
 * killed is removed. A helper that is busy, or stands still, takes nobody, and
 * when its queue is full, connect() waits for as long as it does. */
static int
status_dial(const char *path)
{
    struct sockaddr_un address;
    const struct timeval limit = {.tv_usec = DIAL_US};
    autofd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || !address_of(path, &address) ||
        setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit) < 0) {
        return -1;
    }
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        if (errno == ECONNREFUSED) {
            unlink(path);
        }
        return -1;
    }
    return fd_steal(&fd);
}

/* The answer of the helper behind PATH, or NULL. */
static char *
status_query(const char *path)
{
    autofd fd = status_dial(path);
    if (fd < 0) {
        return NULL;
    }
    struct timeval limit = {.tv_sec = ANSWER_MS / 1000};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    g_autofree char *text = g_malloc0(ANSWER_MAX);
    size_t held = 0;
    ssize_t n;
    while (held < ANSWER_MAX - 1 &&
           (n = read(fd, text + held, ANSWER_MAX - 1 - held)) > 0) {
        held += (size_t)n;
    }
    return held > 0 ? g_steal_pointer(&text) : NULL;
}

/* The paths of all status sockets here, of the living and the dead. */
static GPtrArray *
list_sockets(void)
{
    GPtrArray *all = g_ptr_array_new_with_free_func(g_free);
    g_autofree char *directory = migrate_rundir_path();
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        if (g_str_has_suffix(name, ".sock")) {
            g_ptr_array_add(all, g_build_filename(directory, name, NULL));
        }
    }
    return all;
}

GPtrArray *
migrate_status_query_all(void)
{
    GPtrArray *all = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) sockets = list_sockets();
    for (guint i = 0; i < sockets->len; i++) {
        char *answer = status_query(g_ptr_array_index(sockets, i));
        if (answer) {
            g_ptr_array_add(all, answer);
        }
    }
    return all;
}

/* A VM may be named anything, and some terminals obey what is in a name. */
static char *
make_printable(GString *line)
{
    g_autofree char *raw = g_string_free(line, false);
    return printable_line(raw);
}

GPtrArray *
migrate_status_orphans(void)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) journals = migrate_archive_orphans();
    for (guint i = 0; i < journals->len; i++) {
        const MigrateJournal *j = g_ptr_array_index(journals, i);
        const char *role =
            j->options.role == MIGRATE_SEND ? "send" : "receive";
        autofd qemu = proc_life_open(j->qemu_pid, j->qemu_started, NULL);
        bool untold = qemu < 0 && j->options.role == MIGRATE_RECEIVE;
        GString *line = g_string_new(NULL);
        g_string_append_printf(
            line,
            "%-8s %-20s qemu %d, peer %s; NO HELPER AT WORK: run "
            "'postlude %s --resume --pid %d'%s",
            role, j->vm_name ? j->vm_name : "(unnamed)", (int)j->qemu_pid,
            j->options.address, role, (int)j->qemu_pid,
            untold ? " (this QEMU has ended, and the source does not know)"
                   : "");
        g_ptr_array_add(lines, make_printable(line));
    }
    return lines;
}

void
migrate_status_forget_dead(void)
{
    g_autoptr(GPtrArray) sockets = list_sockets();
    for (guint i = 0; i < sockets->len; i++) {
        autofd fd = status_dial(g_ptr_array_index(sockets, i));
    }
}

/* json-glib's own getters crash or warn at a member of another type. */
static const char *
text_member(JsonObject *o, const char *name, const char *fallback)
{
    JsonNode *node = json_object_get_member(o, name);
    bool is_text = node && JSON_NODE_HOLDS_VALUE(node) &&
                   json_node_get_value_type(node) == G_TYPE_STRING;
    return is_text ? json_node_get_string(node) : fallback;
}

static uint64_t
count_member(JsonObject *o, const char *name)
{
    JsonNode *node = json_object_get_member(o, name);
    bool is_int = node && JSON_NODE_HOLDS_VALUE(node) &&
                  json_node_get_value_type(node) == G_TYPE_INT64;
    return is_int ? (uint64_t)MAX(json_node_get_int(node), 0) : 0;
}

static bool
true_member(JsonObject *o, const char *name)
{
    JsonNode *node = json_object_get_member(o, name);
    return node && JSON_NODE_HOLDS_VALUE(node) &&
           json_node_get_value_type(node) == G_TYPE_BOOLEAN &&
           json_node_get_boolean(node);
}

static uint64_t
pages_to_mib(uint64_t pages)
{
    return pages / 256;
}

static bool
is_answer_of(const char *json, pid_t pid)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    return json_parser_load_from_data(parser, json, -1, NULL) &&
           json_parser_get_root(parser) &&
           JSON_NODE_HOLDS_OBJECT(json_parser_get_root(parser)) &&
           count_member(json_node_get_object(json_parser_get_root(parser)),
                        "pid") == (uint64_t)pid;
}

static bool
has_answered(const GPtrArray *answers, pid_t pid)
{
    for (guint i = 0; i < answers->len; i++) {
        if (is_answer_of(g_ptr_array_index(answers, i), pid)) {
            return true;
        }
    }
    return false;
}

GPtrArray *
migrate_status_silent(const GPtrArray *answers)
{
    GPtrArray *lines = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GArray) holders = migrate_claim_holders();
    for (guint i = 0; i < holders->len; i++) {
        const MigrateClaimHolder *h =
            &g_array_index(holders, MigrateClaimHolder, i);
        if (strcmp(h->verb, "look") != 0 && !has_answered(answers, h->pid)) {
            g_ptr_array_add(
                lines,
                g_strdup_printf("%-8s %-20s pid %d  is at work on QEMU %d and "
                                "does not answer; LEAVE IT RUNNING",
                                h->verb, "(unknown)", (int)h->pid,
                                (int)h->qemu_pid));
        }
    }
    return lines;
}

char *
migrate_status_describe(const char *json)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    if (!json_parser_load_from_data(parser, json, -1, NULL) ||
        !json_parser_get_root(parser) ||
        !JSON_NODE_HOLDS_OBJECT(json_parser_get_root(parser))) {
        return NULL;
    }
    JsonObject *o = json_node_get_object(json_parser_get_root(parser));
    const char *role = text_member(o, "role", "?");
    const char *vm = text_member(o, "vm", "");
    uint64_t total = count_member(o, "total_pages");
    uint64_t present = MIN(count_member(o, "present_pages"), total);
    GString *text = g_string_new(NULL);
    g_string_append_printf(
        text, "%-8s %-20s pid %" PRIu64 "  %-10s %" PRIu64 " of %" PRIu64
        " MiB, %" PRIu64 " faults, peer %s",
        role, *vm ? vm : "(unnamed)", count_member(o, "pid"),
        text_member(o, "stage", "?"), pages_to_mib(present),
        pages_to_mib(total), count_member(o, "faults"),
        text_member(o, "peer", "?"));
    const char *tls = text_member(o, "tls", "no");
    if (!g_str_equal(tls, "no")) {
        g_string_append_printf(text, " by TLS (%s)", tls);
    }
    const char *ended = text_member(o, "ended", NULL);
    if (ended) {
        g_string_append_printf(text, "; THE GUEST HAS ENDED (%s)", ended);
    } else if (true_member(o, "past_no_return") &&
               g_str_equal(role, "send")) {
        const char *host = text_member(o, "peer_host", "");
        g_string_append_printf(text,
                               "; still needed by %s: %" PRIu64 " MiB",
                               *host ? host : "the other host",
                               pages_to_mib(total - present + 255));
    }
    if (true_member(o, "peer_lost")) {
        g_string_append(text, "; CONNECTION LOST");
    }
    if (true_member(o, "source_ran")) {
        g_string_append(text, "; STARTED ON BOTH HOSTS");
    }
    if (true_member(o, "unrecorded")) {
        g_string_append(text, "; CRASH RECOVERY IS OFF");
    }
    if (true_member(o, "lacks_memory")) {
        g_string_append(text, "; NO MEMORY HERE");
    }
    return make_printable(text);
}
