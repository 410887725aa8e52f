/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One QEMU, its monitor and its process: see migrate-monitor.h.
 */
#include "migrate/device/migrate-monitor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "qmp/qmp-qemu.h"

#define PROOF "postlude-proof"

/* True if PID has the file of ST open. */
static bool
has_open(pid_t pid, const struct stat *st, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)pid);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    /* Confined, who takes over sees no process at all: its journal says which
     * monitor this process had, and who wrote that had looked. */
    if (!dir && access("/proc/self", F_OK) < 0) {
        return true;
    }
    if (!dir) {
        return error_set(error, ERROR_FAILED,
                         "cannot look at the descriptors of process %d, which "
                         "--pid names; run postlude as root, and check the "
                         "number",
                         (int)pid);
    }
    while ((name = g_dir_read_name(dir))) {
        struct stat one;
        g_autofree char *link = g_build_filename(path, name, NULL);
        if (stat(link, &one) == 0 && one.st_ino == st->st_ino &&
            one.st_dev == st->st_dev) {
            return true;
        }
    }
    return error_set(error, ERROR_STATE,
                     "process %d, which --pid names, is not the QEMU of this "
                     "monitor; give the monitor and the process of one QEMU",
                     (int)pid);
}

bool
migrate_monitor_belongs_to(QmpClient *client, pid_t pid, GError **error)
{
    int ends[2];
    struct stat st;
    if (qmp_client_peer_pid(client) == pid) {
        return true;
    }
    if (pipe2(ends, O_CLOEXEC) < 0) {
        return error_set_errno(error, errno, "a pipe");
    }
    autofd from = ends[0], to = ends[1];
    if (fstat(from, &st) < 0 ||
        !qmp_qemu_getfd(client, from, PROOF, error)) {
        return false;
    }
    bool ok = has_open(pid, &st, error);
    qmp_qemu_closefd(client, PROOF, NULL);
    return ok;
}
