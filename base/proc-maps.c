/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * /proc/PID/{maps,smaps,cgroup} to structs: see proc-maps.h.
 */
#include "base/proc-maps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"

void
proc_mapping_clear(ProcMapping *mapping)
{
    g_clear_pointer(&mapping->path, g_free);
}

bool
proc_maps_parse_line(const char *line, ProcMapping *mapping)
{
    ProcMapping m = {0};
    char perms[5] = "";
    int at = 0;
    int n = sscanf(line,
                   "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64
                   "%n",
                   &m.start, &m.end, perms, &m.offset, &m.dev_major,
                   &m.dev_minor, &m.inode, &at);
    if (n != 7 || strlen(perms) != 4 || m.end <= m.start) {
        return false;
    }
    m.readable = perms[0] == 'r';
    m.writable = perms[1] == 'w';
    m.executable = perms[2] == 'x';
    m.shared = perms[3] == 's';
    m.path = g_strdup(line + at + strspn(line + at, " "));
    *mapping = m;
    return true;
}

/* "Rss:   123 kB" into *BYTES if LINE is the field NAME. */
static bool
field_kib(const char *line, const char *name, uint64_t *bytes)
{
    size_t n = strlen(name);
    if (strncmp(line, name, n) != 0 || line[n] != ':') {
        return false;
    }
    uint64_t kib = strtoull(line + n + 1, NULL, 10);
    *bytes = kib > UINT64_MAX / 1024 ? UINT64_MAX : kib * 1024;
    return true;
}

static void
parse_field(const char *line, ProcMapping *m)
{
    uint64_t eligible;
    if (field_kib(line, "Rss", &m->rss_bytes) ||
        field_kib(line, "AnonHugePages", &m->anon_huge_bytes) ||
        field_kib(line, "ShmemPmdMapped", &m->shmem_huge_bytes) ||
        field_kib(line, "FilePmdMapped", &m->file_huge_bytes)) {
        return;
    }
    if (field_kib(line, "THPeligible", &eligible)) {
        m->thp_eligible = eligible != 0;
    } else if (strncmp(line, "VmFlags:", 8) == 0) {
        g_strlcpy(m->vm_flags, line + 8, sizeof m->vm_flags);
        g_strstrip(m->vm_flags);
    }
}

GArray *
proc_maps_parse(const char *text)
{
    GArray *all = g_array_new(false, true, sizeof(ProcMapping));
    g_array_set_clear_func(all, (GDestroyNotify)proc_mapping_clear);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        ProcMapping mapping;
        if (proc_maps_parse_line(*line, &mapping)) {
            g_array_append_val(all, mapping);
        } else if (all->len > 0) {
            parse_field(*line,
                        &g_array_index(all, ProcMapping, all->len - 1));
        }
    }
    return all;
}

GArray *
proc_maps_read(pid_t pid, bool smaps, GError **error)
{
    g_autofree char *path =
        g_strdup_printf("/proc/%d/%s", (int)pid, smaps ? "smaps" : "maps");
    g_autofree char *text = NULL;
    g_autoptr(GError) io = NULL;
    if (!g_file_get_contents(path, &text, NULL, &io)) {
        bool gone = g_error_matches(io, G_FILE_ERROR, G_FILE_ERROR_NOENT) ||
                    strstr(io->message, g_strerror(ESRCH));
        error_set(error, gone ? ERROR_VM_GONE : ERROR_FAILED,
                  "cannot read the mappings of process %d: %s", (int)pid,
                  gone ? "no such process" : io->message);
        return NULL;
    }
    return proc_maps_parse(text);
}

bool
proc_mapping_has_flag(const ProcMapping *mapping, const char *flag)
{
    const char *at = mapping->vm_flags;
    while ((at = strstr(at, flag))) {
        bool starts = at == mapping->vm_flags || at[-1] == ' ';
        bool ends = at[strlen(flag)] == ' ' || at[strlen(flag)] == '\0';
        if (starts && ends) {
            return true;
        }
        at++;
    }
    return false;
}

/* "memory,cpu" has "memory"; only the unified hierarchy's empty list has "". */
static bool
list_has(const char *list, size_t length, const char *word)
{
    size_t n = strlen(word);
    if (n == 0) {
        return length == 0;
    }
    const char *end = list + length;
    while (list <= end) {
        const char *comma = memchr(list, ',', (size_t)(end - list));
        size_t item = (size_t)((comma ? comma : end) - list);
        if (item == n && memcmp(list, word, n) == 0) {
            return true;
        }
        if (!comma) {
            break;
        }
        list = comma + 1;
    }
    return false;
}

char *
proc_cgroup_parse(const char *text, const char *controller)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (char **line = lines; *line; line++) {
        char *first = strchr(*line, ':');
        char *second = first ? strchr(first + 1, ':') : NULL;
        if (second && list_has(first + 1, (size_t)(second - first - 1),
                               controller)) {
            return g_strdup(second + 1);
        }
    }
    return NULL;
}

char *
proc_cgroup_read(pid_t pid, const char *controller)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/cgroup", (int)pid);
    g_autofree char *text = NULL;
    if (!g_file_get_contents(path, &text, NULL, NULL)) {
        return NULL;
    }
    return proc_cgroup_parse(text, controller);
}

static bool
maps_inode(pid_t pid, unsigned major, unsigned minor, uint64_t inode)
{
    g_autoptr(GArray) all = proc_maps_read(pid, false, NULL);
    for (guint i = 0; all && i < all->len; i++) {
        const ProcMapping *m = &g_array_index(all, ProcMapping, i);
        if (m->inode == inode && m->dev_major == major &&
            m->dev_minor == minor) {
            return true;
        }
    }
    return false;
}

GArray *
proc_maps_find_mappers(unsigned major, unsigned minor, uint64_t inode,
                       pid_t except)
{
    GArray *found = g_array_new(false, false, sizeof(pid_t));
    g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
    const char *name;
    while (proc && (name = g_dir_read_name(proc))) {
        pid_t pid = (pid_t)atoi(name);
        if (pid > 0 && pid != except && maps_inode(pid, major, minor, inode)) {
            g_array_append_val(found, pid);
        }
    }
    return found;
}
