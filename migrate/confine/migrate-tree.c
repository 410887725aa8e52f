/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A file system with next to nothing in it: see migrate-tree.h.
 *
 * chroot() and not pivot_root(): it moves the root that all of our threads
 * share (they share one fs_struct) and nobody else's. pivot_root() would also
 * move the keeper and the attendant, who live in the same mount namespace.
 * There is no way back from chroot() without CAP_SYS_CHROOT, an open
 * directory, or /proc/PID/root, and a confined helper has none of them.
 */
#include "migrate/confine/migrate-tree.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

/* In our own namespace any directory will do that is always there and that
 * none of the PATHS, nor the attendant, has business in. */
#define PLACE "/sys/fs"
#define PLAIN (MS_NOSUID | MS_NODEV | MS_NOEXEC)

bool
migrate_tree_begin(GError **error)
{
    /* Slave, so that what the host unmounts is unmounted here as well. */
    if (unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0) {
        return error_set_errno(error, errno, "a mount namespace of our own");
    }
    return true;
}

static bool
make_place(const char *at, bool directory, GError **error)
{
    g_autofree char *parent = g_path_get_dirname(at);
    if (g_mkdir_with_parents(directory ? at : parent, 0755) < 0) {
        return error_set_errno(error, errno, "make %s", at);
    }
    autofd file = directory ? -1 : open(at, O_WRONLY | O_CREAT | O_CLOEXEC,
                                        0600);
    return directory || file >= 0 ||
           error_set_errno(error, errno, "make %s", at);
}

/* A bind mount starts with the flags of its source, so that a device stays one
 * without MS_NODEV. */
static bool
tree_keep(const char *path, GError **error)
{
    g_autofree char *at = g_strconcat(PLACE, path, NULL);
    g_autofree char *real = realpath(path, NULL); /* malloc() is g_malloc() */
    struct stat st;
    if (!real || stat(real, &st) < 0) {
        return true;
    }
    unsigned long flags = MS_NOSUID | MS_NOEXEC |
                          (S_ISCHR(st.st_mode) ? 0 : MS_NODEV);
    if (!make_place(at, S_ISDIR(st.st_mode), error)) {
        return false;
    }
    return (mount(real, at, NULL, MS_BIND, NULL) == 0 &&
            mount(NULL, at, NULL, MS_REMOUNT | MS_BIND | flags, NULL) == 0) ||
           error_set_errno(error, errno, "mount %s", path);
}

bool
migrate_tree_enter(const char *const *paths, GError **error)
{
    if (mount("postlude", PLACE, "tmpfs", PLAIN, "mode=0755,size=64k") < 0) {
        return error_set_errno(error, errno, "mount an empty file system");
    }
    for (; *paths; paths++) {
        if (!tree_keep(*paths, error)) {
            return false;
        }
    }
    if (mount(NULL, PLACE, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | PLAIN,
              NULL) < 0 ||
        chroot(PLACE) < 0 || chdir("/") < 0) {
        return error_set_errno(error, errno, "enter an empty file system");
    }
    return true;
}
