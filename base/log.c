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

#include "base/printable.h"

static bool verbose_wanted;
static bool quiet_wanted;
static bool syslog_wanted;
static char *vm_name;
static void (*before_line)(void);

static const char *
log_field(const GLogField *fields, gsize n, const char *key)
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

static bool
is_wanted(GLogLevelFlags level)
{
    return level & (G_LOG_LEVEL_DEBUG | G_LOG_LEVEL_INFO) ? verbose_wanted
           : level & G_LOG_LEVEL_MESSAGE                  ? !quiet_wanted
                                                          : true;
}

/* The journal keeps any bytes, and its readers show a message with such in it as
 * "[blob data]". The other fields are our own words. */
static bool
write_journald(GLogLevelFlags level, const GLogField *fields, gsize n,
               const char *message)
{
    if (!g_log_writer_is_journald(STDERR_FILENO)) {
        return false;
    }
    g_autofree GLogField *ours = g_memdup2(fields, n * sizeof *fields);
    for (gsize i = 0; i < n; i++) {
        if (strcmp(ours[i].key, "MESSAGE") == 0) {
            ours[i].value = message;
            ours[i].length = -1;
        }
    }
    return g_log_writer_journald(level, ours, n, NULL) ==
           G_LOG_WRITER_HANDLED;
}

static GLogWriterOutput
write_line(GLogLevelFlags level, const GLogField *fields, gsize n,
           gpointer unused)
{
    if (!is_wanted(level)) {
        return G_LOG_WRITER_HANDLED;
    }
    g_autofree char *message = printable_line(log_field(fields, n, "MESSAGE"));
    if (write_journald(level, fields, n, message)) {
        return G_LOG_WRITER_HANDLED;
    }
    const char *domain = log_field(fields, n, "GLIB_DOMAIN");
    if (before_line) {
        before_line();
    }
    if (syslog_wanted) {
        write_syslog(level, message);
        return G_LOG_WRITER_HANDLED;
    }
    /* One write, so that lines of several threads do not mix. */
    g_autofree char *vm = vm_name ? g_strdup_printf("[%s]", vm_name) : NULL;
    bool show_room = verbose_wanted && domain;
    g_autofree char *line = g_strdup_printf(
        "postlude%s: %s%s%s%s\n", vm ? vm : "", show_room ? domain : "",
        show_room ? ": " : "", level_prefix(level), message);
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
log_set_verbose(void)
{
    verbose_wanted = true;
}

void
log_set_quiet(void)
{
    quiet_wanted = true;
}

bool
log_is_quiet(void)
{
    return quiet_wanted;
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
            g_autofree char *printable = printable_line(*line);
            write_syslog(G_LOG_LEVEL_MESSAGE, printable);
        }
    }
}

void
log_set_vm(const char *name)
{
    g_free(vm_name);
    vm_name = name ? printable_line(name) : NULL;
}

void
log_set_before_line(void (*hook)(void))
{
    before_line = hook;
}
