/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A memory cgroup of the test's own: see kernel-cgroup.h.
 */
#include "tests/kernel/support/kernel-cgroup.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "collapse/collapse-cgroup.h"

#define PREFIX "postlude-test-"

/* The kernel says no when the buffer is written, at the close. */
static bool
try_write(const KernelCgroup *cgroup, const char *name, uint64_t value)
{
    g_autofree char *path = g_build_filename(cgroup->directory, name, NULL);
    FILE *file = fopen(path, "we");
    if (!file) {
        return false;
    }
    bool ok = fprintf(file, "%" PRIu64, value) > 0;
    return fclose(file) == 0 && ok;
}

static void
write_text(const KernelCgroup *cgroup, const char *name, uint64_t value)
{
    if (!try_write(cgroup, name, value)) {
        g_error("cannot write %" PRIu64 " to %s/%s: %s", value,
                cgroup->directory, name, g_strerror(errno));
    }
}

static const char *
usage_name(const KernelCgroup *cgroup)
{
    return cgroup->unified ? "memory.current" : "memory.usage_in_bytes";
}

static char *
find_root(bool *unified)
{
    g_autofree char *mountinfo = NULL;
    if (!g_file_get_contents("/proc/self/mountinfo", &mountinfo, NULL, NULL)) {
        return NULL;
    }
    char *root = collapse_cgroup_locate(mountinfo, "memory", "/");
    *unified = !root;
    return root ? root : collapse_cgroup_locate(mountinfo, "", "/");
}

/* A test that aborted could not clean up. A cgroup with processes in it stays,
 * so this cannot take one away from a test that runs. */
static void
remove_stale(const char *root)
{
    g_autoptr(GDir) all = g_dir_open(root, 0, NULL);
    const char *name;
    while (all && (name = g_dir_read_name(all))) {
        if (g_str_has_prefix(name, PREFIX) &&
            kill((pid_t)atoi(name + strlen(PREFIX)), 0) < 0) {
            g_autofree char *path = g_build_filename(root, name, NULL);
            rmdir(path);
        }
    }
}

bool
kernel_cgroup_init(KernelCgroup *cgroup, const char **reason)
{
    static unsigned count;
    g_autofree char *root = find_root(&cgroup->unified);
    if (!root) {
        *reason = "no memory cgroup hierarchy is mounted";
        return false;
    }
    remove_stale(root);
    cgroup->directory = g_strdup_printf("%s/" PREFIX "%d-%u", root,
                                        (int)getpid(), count++);
    if (mkdir(cgroup->directory, 0755) < 0) {
        *reason = "no memory cgroup can be made here";
        g_clear_pointer(&cgroup->directory, g_free);
        return false;
    }
    g_autofree char *usage =
        g_build_filename(cgroup->directory, usage_name(cgroup), NULL);
    if (access(usage, R_OK) < 0) {
        *reason = "the memory controller is not enabled for new cgroups";
        kernel_cgroup_clear(cgroup);
        return false;
    }
    return true;
}

void
kernel_cgroup_remove(const char *directory)
{
    for (int tries = 0; tries < 1000 && rmdir(directory) < 0 &&
                        errno == EBUSY; tries++) {
        g_usleep(10000);
    }
}

void
kernel_cgroup_clear(KernelCgroup *cgroup)
{
    if (cgroup->directory) {
        kernel_cgroup_remove(cgroup->directory);
        g_clear_pointer(&cgroup->directory, g_free);
    }
}

void
kernel_cgroup_enter(const KernelCgroup *cgroup, pid_t pid)
{
    write_text(cgroup, "cgroup.procs", (uint64_t)pid);
}

/* Documentation/admin-guide/cgroup-v2.rst (memory.reclaim, Linux 5.19) and
 * cgroup-v1/memory.rst (memory.force_empty). It fails when it has not found as
 * much as it was asked for, which is always so here. */
void
kernel_cgroup_reclaim(const KernelCgroup *cgroup)
{
    g_autofree char *path = g_build_filename(
        cgroup->directory,
        cgroup->unified ? "memory.reclaim" : "memory.force_empty", NULL);
    FILE *file = fopen(path, "we");
    if (file) {
        fputs(cgroup->unified ? "1G" : "0", file);
        fclose(file);
    }
}

/* Where swap is not accounted for there is no such file. In v1 the limit of
 * memory and swap together may never be the lower one: it is raised before, or
 * lowered after. */
void
kernel_cgroup_limit(const KernelCgroup *cgroup, uint64_t bytes)
{
    static const char both[] = "memory.memsw.limit_in_bytes";
    if (cgroup->unified) {
        try_write(cgroup, "memory.swap.max", 0);
        write_text(cgroup, "memory.max", bytes);
    } else {
        try_write(cgroup, both, bytes);
        write_text(cgroup, "memory.limit_in_bytes", bytes);
        try_write(cgroup, both, bytes);
    }
}

uint64_t
kernel_cgroup_usage_bytes(const KernelCgroup *cgroup)
{
    g_autofree char *path =
        g_build_filename(cgroup->directory, usage_name(cgroup), NULL);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return strtoull(text, NULL, 10);
}
