/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Choosing among what was interrupted: see migrate-candidate.h.
 */
#include "migrate/takeover/migrate-candidate.h"

#include <stdlib.h>

#include "base/fd.h"
#include "base/proc-life.h"

/* Where PATH leads. A socket that is gone has no place of its own, but its
 * directory has. */
static char *
place_of(const char *path)
{
    char *whole = realpath(path, NULL); /* malloc() is g_malloc() */
    if (whole) {
        return whole;
    }
    g_autofree char *parent = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    g_autofree char *directory = realpath(parent, NULL);
    return directory ? g_build_filename(directory, name, NULL)
                     : g_canonicalize_filename(path, "/");
}

static bool
is_same_place(const char *one, const char *other)
{
    if (!one || !other) {
        return false;
    }
    g_autofree char *a = place_of(one);
    g_autofree char *b = place_of(other);
    return g_str_equal(one, other) || g_str_equal(a, b);
}

bool
migrate_candidate_fits(const MigrateJournal *journal,
                       const MigrateOptions *options)
{
    return journal->options.role == options->role &&
           (!options->pid || journal->qemu_pid == options->pid) &&
           (!options->qmp_path ||
            is_same_place(journal->options.qmp_path, options->qmp_path));
}

static void
candidate_append(GString *text, const MigrateJournal *journal,
                 const MigrateOptions *options)
{
    int life = proc_life_open(journal->qemu_pid, journal->qemu_started, NULL);
    bool is_named = journal->vm_name && *journal->vm_name;
    g_string_append_printf(text, "%s%s%s (QEMU %d%s, monitor %s, session ",
                           is_named ? "'" : "",
                           is_named ? journal->vm_name : "an unnamed guest",
                           is_named ? "'" : "", (int)journal->qemu_pid,
                           life < 0 ? ", which has ended" : "",
                           journal->options.qmp_path
                               ? journal->options.qmp_path
                               : "unknown");
    for (unsigned i = 0; i < WIRE_SESSION_BYTES; i++) {
        g_string_append_printf(text, "%02x", journal->session[i]);
    }
    g_string_append_printf(
        text, "): postlude %s %s --pid %d",
        journal->options.role == MIGRATE_SEND ? "send" : "receive",
        options->give_up ? "--give-up" : "--resume", (int)journal->qemu_pid);
    fd_clear(&life);
}

char *
migrate_candidate_list(const GPtrArray *journals,
                       const MigrateOptions *options)
{
    GString *text = g_string_new(NULL);
    for (guint i = 0; i < journals->len; i++) {
        g_string_append(text, i ? "; " : "");
        candidate_append(text, g_ptr_array_index(journals, i), options);
    }
    return g_string_free(text, false);
}
