/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A writer for GLib's structured log: see log.h.
 */
#include "base/log.h"

#include <glib.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

static bool verbose_wanted;
static bool syslog_wanted;
static char *vm_name;
static void (*before_line)(void);

static const char *
field(const GLogField *fields, gsize n, const char *key)
{
    for (gsize i = 0; i < n; i++) {
        if (strcmp(fields[i].key, key) == 0) {
            return fields[i].value;
        }
    }
    return NULL;
}

static const char *
level_prefix(GLogLevelFlags level)
{
    if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL)) {
        return "bug: ";
    }
    return level & G_LOG_LEVEL_WARNING ? "warning: " : "";
}

static void
write_syslog(GLogLevelFlags level, const char *message)
{
    int priority = level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL) ? LOG_ERR
                   : level & G_LOG_LEVEL_WARNING ? LOG_WARNING
                   : level & G_LOG_LEVEL_DEBUG   ? LOG_DEBUG
                                                 : LOG_INFO;
    syslog(priority, "%s%s%s%s", vm_name ? "[" : "", vm_name ? vm_name : "",
           vm_name ? "] " : "", message);
}

static GLogWriterOutput
write_line(GLogLevelFlags level, const GLogField *fields, gsize n,
           gpointer unused)
{
    if ((level & (G_LOG_LEVEL_DEBUG | G_LOG_LEVEL_INFO)) && !verbose_wanted) {
        return G_LOG_WRITER_HANDLED;
    }
    if (g_log_writer_is_journald(STDERR_FILENO) &&
        g_log_writer_journald(level, fields, n, NULL) ==
            G_LOG_WRITER_HANDLED) {
        return G_LOG_WRITER_HANDLED;
    }
    const char *message = field(fields, n, "MESSAGE");
    const char *domain = field(fields, n, "GLIB_DOMAIN");
    if (before_line) {
        before_line();
    }
    if (syslog_wanted) {
        write_syslog(level, message ? message : "");
        return G_LOG_WRITER_HANDLED;
    }
    /* One write, so that lines of several threads do not mix. */
    g_autofree char *vm = vm_name ? g_strdup_printf("[%s]", vm_name) : NULL;
    bool show_room = verbose_wanted && domain;
    g_autofree char *line = g_strdup_printf(
        "postlude%s: %s%s%s%s\n", vm ? vm : "", show_room ? domain : "",
        show_room ? ": " : "", level_prefix(level), message ? message : "");
    ssize_t ignored = write(STDERR_FILENO, line, strlen(line));
    (void)ignored;
    return G_LOG_WRITER_HANDLED;
}

void
log_init(bool verbose)
{
    verbose_wanted = verbose;
    g_log_set_writer_func(write_line, NULL, NULL);
}

void
log_to_syslog(void)
{
    openlog("postlude", LOG_PID | LOG_NDELAY, LOG_DAEMON);
    syslog_wanted = true;
}

void
log_copy_to_syslog(const char *text)
{
    if (!syslog_wanted) {
        return;
    }
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        if (**line) {
            write_syslog(G_LOG_LEVEL_MESSAGE, *line);
        }
    }
}

void
log_set_vm(const char *name)
{
    g_free(vm_name);
    vm_name = g_strdup(name);
}

void
log_set_before_line(void (*hook)(void))
{
    before_line = hook;
}
