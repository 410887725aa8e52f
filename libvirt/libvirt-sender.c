/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The sender as a child: see libvirt-sender.h.
 *
 * Two pipes tie it to us. The end of the one is our end: before the point of
 * no return that cancels, so a killed 'postlude migrate' leaves nothing; after
 * it the sender goes on alone. On the other it says where it stands.
 *
 * One that is killed has a successor, once: 'send --resume' finds out from QEMU,
 * or from its being gone, which side of the point of no return it is on. Before
 * it, it takes back what the dead one had switched on, and fails; after it, it
 * fetches the memory from the keeper and goes on. Both have to be done at once
 * and by somebody, and no operator would do anything else.
 */
#include "libvirt/libvirt-sender.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/signals.h"
#include "libvirt/libvirt-scope.h"

#define SWITCHED_ON "switchover" /* the stage that begins to change QEMU */

struct LibvirtSender {
    void (*on_change)(gpointer data);
    gpointer data;
    GPid pid;
    char *program, *qmp_path, *domain;
    char *unit; /* NULL: no scope */
    bool quiet;
    GPtrArray *arguments; /* of it or of its successor */
    bool resuming;        /* it is the successor */
    int parent_pipe; /* our end */
    int events;
    int parent_theirs, events_theirs; /* open here, for who comes next */
    GString *text; /* of a line that is not whole yet */
    GHashTable *said;
    bool has_spoken; /* the one that runs now */
    MigrateEventLine line;
    bool past_no_return;
    guint watch_events, watch_child; /* 0: none */
    int wait_status;
    bool ended;
    char *end; /* in words */
};

static void
take_line(LibvirtSender *sender, const char *text)
{
    g_autoptr(GError) why = NULL;
    g_auto(MigrateEventLine) line = {0};
    if (!migrate_event_line_parse(text, &line, &why)) {
        g_warning("the sender said: %s", why->message);
        return;
    }
    g_debug("sender: %s", line.stage);
    sender->has_spoken = true;
    g_hash_table_add(sender->said, g_strdup(line.stage));
    sender->past_no_return = sender->past_no_return || line.past_no_return;
    migrate_event_line_clear(&sender->line);
    sender->line = line;
    line = (MigrateEventLine){0};
}

static void
take_lines(LibvirtSender *sender)
{
    char *end;
    while ((end = memchr(sender->text->str, '\n', sender->text->len))) {
        *end = '\0';
        take_line(sender, sender->text->str);
        g_string_erase(sender->text, 0, end + 1 - sender->text->str);
    }
}

/* False at the end of the pipe. */
static bool
read_more(LibvirtSender *sender)
{
    char buffer[4096];
    for (;;) {
        ssize_t n = read(sender->events, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return n < 0 && errno == EAGAIN;
        }
        g_string_append_len(sender->text, buffer, n);
        take_lines(sender);
    }
}

static gboolean
on_events(gint fd, GIOCondition condition, gpointer data)
{
    LibvirtSender *sender = data;
    bool more = read_more(sender);
    if (!more) {
        sender->watch_events = 0;
    }
    sender->on_change(sender->data);
    return more ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void
in_child(gpointer data)
{
    const LibvirtSender *sender = data;
    signals_restore(NULL);
    setsid();
    if (!sender->unit) {
        libvirt_scope_leave();
    }
}

static void
add_words(GPtrArray *all, const char *const *words)
{
    for (; words && *words; words++) {
        g_ptr_array_add(all, g_strdup(*words));
    }
}

static void
add_pipes(const LibvirtSender *sender, GPtrArray *all)
{
    g_ptr_array_add(
        all, g_strdup_printf("--parent-fd=%d", sender->parent_theirs));
    g_ptr_array_add(
        all, g_strdup_printf("--events-fd=%d", sender->events_theirs));
    if (log_is_quiet()) {
        g_ptr_array_add(all, g_strdup("--quiet"));
    }
}

/* All else is in the journal of the one before. */
static GPtrArray *
make_successor(const LibvirtSender *sender)
{
    GPtrArray *all = g_ptr_array_new_with_free_func(g_free);
    const char *const words[] = {sender->program, "send", "--resume", "--qmp",
                                 sender->qmp_path, NULL};
    add_words(all, words);
    add_pipes(sender, all);
    return all;
}

static GPtrArray *
make_arguments(const LibvirtSender *sender,
               const LibvirtSenderOptions *o)
{
    GPtrArray *all = g_ptr_array_new_with_free_func(g_free);
    const char *const words[] = {
        o->program, "send", "--follow", "--qmp", o->qmp_path, "--listen",
        o->listen, "--token-file", o->token_path, NULL};
    add_words(all, words);
    add_pipes(sender, all);
    add_words(all, o->more);
    return all;
}

static GPtrArray *
make_command(const LibvirtSender *sender)
{
    GPtrArray *command = g_ptr_array_new_with_free_func(g_free);
    if (sender->unit) {
        /* The keeper of the dead one's memory lives on in the old scope. */
        g_autofree char *unit = g_strconcat(
            sender->unit, sender->resuming ? "-resumed" : "", NULL);
        g_autofree char *what =
            g_strdup_printf("Postlude: memory of domain %s", sender->domain);
        libvirt_scope_add(command, unit, what);
    }
    for (guint i = 0; i < sender->arguments->len; i++) {
        g_ptr_array_add(command,
                        g_strdup(g_ptr_array_index(sender->arguments, i)));
    }
    g_ptr_array_add(command, NULL);
    return command;
}

static void on_end(GPid pid, gint wait_status, gpointer data);

static bool
sender_spawn(LibvirtSender *sender, GError **error)
{
    g_autoptr(GPtrArray) command = make_command(sender);
    g_autoptr(GError) why = NULL;
    int kept[] = {sender->parent_theirs, sender->events_theirs};
    GSpawnFlags flags = G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH |
                        (sender->quiet ? G_SPAWN_STDOUT_TO_DEV_NULL
                                       : G_SPAWN_DEFAULT);
    if (!g_spawn_async_with_pipes_and_fds(
            NULL, (const char *const *)command->pdata, NULL, flags, in_child,
            sender, -1, -1, -1, kept, kept, G_N_ELEMENTS(kept), &sender->pid,
            NULL, NULL, NULL, &why)) {
        return error_set(error, ERROR_FAILED, "cannot start '%s send': %s",
                         sender->program, why->message);
    }
    sender->watch_child = g_child_watch_add(sender->pid, on_end, sender);
    return true;
}

/* systemd-run was not found, or ended with 1 before there was a sender. (Or the
 * sender did before its first word: then it says the same a second time.) */
static bool
spawn_without_scope(LibvirtSender *sender, const char *why, GError **error)
{
    g_warning("the sender has no scope of its own (%s): it is started without, "
              "and may end with the service or session that 'postlude migrate' "
              "runs in; do not end that before the last page has arrived",
              why);
    g_clear_pointer(&sender->unit, g_free);
    return sender_spawn(sender, error);
}

static bool
sender_start(LibvirtSender *sender, GError **error)
{
    g_autoptr(GError) why = NULL;
    bool ok = sender_spawn(sender, &why);
    if (!ok && sender->unit) {
        return spawn_without_scope(sender, why->message, error);
    }
    if (!ok) {
        g_propagate_error(error, g_steal_pointer(&why));
    }
    return ok;
}

static bool
had_no_scope(const LibvirtSender *sender, int wait_status)
{
    return sender->unit && WIFEXITED(wait_status) &&
           WEXITSTATUS(wait_status) == 1 && !sender->has_spoken;
}

/* After "over" there is nothing left to do. */
static bool
needs_successor(const LibvirtSender *sender, int wait_status)
{
    return WIFSIGNALED(wait_status) && sender->line.exit_status < 0 &&
           libvirt_sender_has_said(sender, SWITCHED_ON);
}

static void
become_successor(LibvirtSender *sender)
{
    sender->resuming = true;
    sender->has_spoken = false;
    g_string_truncate(sender->text, 0);
    g_ptr_array_unref(sender->arguments);
    sender->arguments = make_successor(sender);
}

/* True if there is another now. */
static bool
sender_replace(LibvirtSender *sender, int wait_status)
{
    g_autoptr(GError) why = NULL;
    bool ok = false;
    if (had_no_scope(sender, wait_status)) {
        ok = spawn_without_scope(sender, "systemd-run made none, see above",
                                 &why);
    } else if (!sender->resuming && needs_successor(sender, wait_status)) {
        g_warning("the sender was ended by signal %d (%s): 'postlude send "
                  "--resume' takes over",
                  WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
        become_successor(sender);
        ok = sender_start(sender, &why);
    }
    if (why) {
        g_warning("%s", why->message);
    }
    return ok;
}

static char *
describe_end(const LibvirtSender *sender)
{
    const char *reason = sender->line.reason;
    int status = sender->wait_status;
    if (sender->line.exit_status < 0 && WIFSIGNALED(status)) {
        return g_strdup_printf("its %ssender was ended by signal %d (%s)",
                               sender->resuming ? "second " : "",
                               WTERMSIG(status), strsignal(WTERMSIG(status)));
    }
    return g_strdup(reason && *reason   ? reason
                    : sender->resuming ? "its sender was killed"
                                       : "see above");
}

static void
on_end(GPid pid, gint wait_status, gpointer data)
{
    LibvirtSender *sender = data;
    sender->watch_child = 0;
    /* Its last words may still be in the pipe. */
    read_more(sender);
    g_spawn_close_pid(pid);
    if (!sender_replace(sender, wait_status)) {
        sender->wait_status = wait_status;
        sender->ended = true;
        sender->end = describe_end(sender);
    }
    sender->on_change(sender->data);
}

static void
copy_options(LibvirtSender *sender, const LibvirtSenderOptions *options)
{
    sender->program = g_strdup(options->program);
    sender->qmp_path = g_strdup(options->qmp_path);
    sender->domain = g_strdup(options->domain);
    sender->unit = g_strdup(options->unit);
    sender->quiet = options->quiet;
    sender->arguments = make_arguments(sender, options);
}

LibvirtSender *
libvirt_sender_start(const LibvirtSenderOptions *options,
                     void (*on_change)(gpointer data), gpointer data,
                     GError **error)
{
    int parent[2], events[2];
    if (pipe2(parent, O_CLOEXEC) != 0) {
        error_set_errno(error, errno, "a pipe for the sender");
        return NULL;
    }
    autofd parent_theirs = parent[0], parent_ours = parent[1];
    if (pipe2(events, O_CLOEXEC) != 0) {
        error_set_errno(error, errno, "a pipe for the sender");
        return NULL;
    }
    autofd events_ours = events[0], events_theirs = events[1];
    g_autoptr(LibvirtSender) sender = g_new0(LibvirtSender, 1);
    sender->on_change = on_change;
    sender->data = data;
    sender->parent_pipe = fd_steal(&parent_ours);
    sender->events = fd_steal(&events_ours);
    sender->parent_theirs = fd_steal(&parent_theirs);
    sender->events_theirs = fd_steal(&events_theirs);
    sender->text = g_string_new(NULL);
    sender->said = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                         NULL);
    sender->line = (MigrateEventLine){.stage = g_strdup(""),
                                      .exit_status = -1};
    copy_options(sender, options);
    if (!fd_set_nonblocking(sender->events, true, error) ||
        !sender_start(sender, error)) {
        return NULL;
    }
    sender->watch_events =
        g_unix_fd_add(sender->events, G_IO_IN | G_IO_HUP, on_events, sender);
    return g_steal_pointer(&sender);
}

static void
clear_options(LibvirtSender *sender)
{
    g_free(sender->program);
    g_free(sender->qmp_path);
    g_free(sender->domain);
    g_free(sender->unit);
    g_ptr_array_unref(sender->arguments);
}

void
libvirt_sender_free(LibvirtSender *sender)
{
    if (!sender) {
        return;
    }
    if (sender->watch_events) {
        g_source_remove(sender->watch_events);
    }
    if (sender->watch_child) {
        g_source_remove(sender->watch_child);
    }
    fd_clear(&sender->parent_pipe);
    fd_clear(&sender->events);
    fd_clear(&sender->parent_theirs);
    fd_clear(&sender->events_theirs);
    clear_options(sender);
    g_free(sender->end);
    g_string_free(sender->text, true);
    g_hash_table_unref(sender->said);
    migrate_event_line_clear(&sender->line);
    g_free(sender);
}

const MigrateEventLine *
libvirt_sender_line(const LibvirtSender *sender)
{
    return &sender->line;
}

bool
libvirt_sender_has_said(const LibvirtSender *sender, const char *stage)
{
    return g_hash_table_contains(sender->said, stage);
}

bool
libvirt_sender_is_past_no_return(const LibvirtSender *sender)
{
    return sender->past_no_return;
}

bool
libvirt_sender_has_ended(const LibvirtSender *sender)
{
    return sender->ended;
}

int
libvirt_sender_exit_status(const LibvirtSender *sender)
{
    if (WIFEXITED(sender->wait_status)) {
        return WEXITSTATUS(sender->wait_status);
    }
    if (sender->line.exit_status >= 0) {
        return sender->line.exit_status;
    }
    return sender->past_no_return ? 3 : 1;
}

const char *
libvirt_sender_end(const LibvirtSender *sender)
{
    return sender->end;
}

bool
libvirt_sender_was_replaced(const LibvirtSender *sender)
{
    return sender->resuming;
}

bool
libvirt_sender_left_work(const LibvirtSender *sender)
{
    /* One that has said nothing has found nothing to resume, or not which. */
    return sender->ended && (needs_successor(sender, sender->wait_status) ||
                             (sender->resuming && !sender->has_spoken));
}

void
libvirt_sender_cancel(LibvirtSender *sender)
{
    fd_clear(&sender->parent_pipe);
}
