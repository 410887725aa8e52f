/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * See vm-rundir.h.
 */
#include "tests/support/vm-rundir.h"

#include <glib.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

void
vm_rundir_make_ours(void)
{
    g_assert_no_errno(unshare(CLONE_NEWNS));
    g_assert_no_errno(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL));
    (void)mkdir(VM_RUNDIR, 0700);
    g_assert_no_errno(mount("run", VM_RUNDIR, "tmpfs", MS_NOSUID | MS_NODEV,
                            "mode=0700,size=16m"));
}

void
vm_rundir_empty(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = g_dir_open(VM_RUNDIR, 0, &error);
    const char *name;
    g_assert_no_error(error);
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(VM_RUNDIR, name, NULL);
        g_assert_no_errno(unlink(path));
    }
}
