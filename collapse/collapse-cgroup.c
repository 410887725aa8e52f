/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The cgroup that pays for a process's memory: see collapse-cgroup.h.
 */
#include "collapse/collapse-cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "base/error.h"
#include "base/proc-maps.h"

/* "rw,memory" has "memory". */
static bool
options_have(const char *options, const char *word)
{
    g_auto(GStrv) all = g_strsplit(options, ",", -1);
    return g_strv_contains((const char *const *)all, word);
}

/* PATH without the leading ROOT of the mount; NULL if it is not below it.
 * Inside a container ROOT is the container's own cgroup. */
static const char *
cgroup_below(const char *path, const char *root)
{
    if (strcmp(root, "/") == 0) {
        return path;
    }
    size_t n = strlen(root);
    bool inside = strncmp(path, root, n) == 0 &&
                  (path[n] == '/' || path[n] == '\0');
    return inside ? path + n : NULL;
}

/* One line: "35 31 0:32 ROOT MOUNTPOINT OPTIONS [tags...] - TYPE SOURCE
 * SUPER". Spaces in names are octal escapes. */
static char *
locate_in_line(const char *line, const char *controller, const char *path)
{
    const char *dash = strstr(line, " - ");
    if (!dash) {
        return NULL;
    }
    g_auto(GStrv) head = g_strsplit(line, " ", 6);
    g_auto(GStrv) tail = g_strsplit(dash + 3, " ", 3);
    if (g_strv_length(head) < 6 || g_strv_length(tail) < 3) {
        return NULL;
    }
    bool unified = *controller == '\0';
    if (strcmp(tail[0], unified ? "cgroup2" : "cgroup") != 0 ||
        (!unified && !options_have(tail[2], controller))) {
        return NULL;
    }
    g_autofree char *root = g_strcompress(head[3]);
    g_autofree char *mount = g_strcompress(head[4]);
    const char *rest = cgroup_below(path, root);
    return rest ? g_strconcat(mount, rest, NULL) : NULL;
}

char *
collapse_cgroup_locate(const char *mountinfo, const char *controller,
                       const char *path)
{
    g_auto(GStrv) lines = g_strsplit(mountinfo, "\n", -1);
    char *found = NULL;
    for (char **line = lines; *line && !found; line++) {
        found = locate_in_line(*line, controller, path);
    }
    return found;
}

static char *
directory_of(pid_t pid)
{
    g_autofree char *mountinfo = NULL;
    if (!g_file_get_contents("/proc/self/mountinfo", &mountinfo, NULL, NULL)) {
        return NULL;
    }
    /* A hybrid host has both; the memory controller lives in one of them, and
     * a v1 mount of it says which. */
    static const char *const controllers[] = {"memory", ""};
    for (unsigned i = 0; i < G_N_ELEMENTS(controllers); i++) {
        g_autofree char *path = proc_cgroup_read(pid, controllers[i]);
        char *found = path ? collapse_cgroup_locate(mountinfo, controllers[i],
                                                    path)
                           : NULL;
        if (found) {
            return found;
        }
    }
    return NULL;
}

char *
collapse_cgroup_directory(pid_t pid, GError **error)
{
    char *directory = directory_of(pid);
    if (!directory) {
        error_set(error, ERROR_UNSUPPORTED,
                  "cannot find the memory cgroup of process %d: no cgroup "
                  "file system that leads to it is mounted here", (int)pid);
    }
    return directory;
}

int
collapse_cgroup_open(pid_t pid, GError **error)
{
    g_autofree char *directory = collapse_cgroup_directory(pid, error);
    if (!directory) {
        return -1;
    }
    g_autofree char *file = g_build_filename(directory, "cgroup.procs", NULL);
    int fd = open(file, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        error_set_errno(error, errno, "cannot open %s", file);
    }
    return fd;
}
