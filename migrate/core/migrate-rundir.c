/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The run-time directory: see migrate-rundir.h.
 */
#include "migrate/core/migrate-rundir.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

char *
migrate_rundir_path(void)
{
    /* As it was at the start: who confines itself is not root any more. */
    static char *path;
    if (!path) {
        path = geteuid() == 0 ? g_strdup("/run/postlude")
                              : g_build_filename(g_get_user_runtime_dir(),
                                                 "postlude", NULL);
    }
    return g_strdup(path);
}

bool
migrate_rundir_make(const char *path, GError **error)
{
    struct stat st;
    if (mkdir(path, 0700) < 0 && errno != EEXIST) {
        return error_set_errno(error, errno, "make directory %s", path);
    }
    if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) ||
        st.st_uid != geteuid() || (st.st_mode & 077)) {
        return error_set(error, ERROR_STATE,
                         "%s is not a directory of ours with mode 0700", path);
    }
    return true;
}
