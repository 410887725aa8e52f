/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Out of the caller's cgroup: see libvirt-scope.h.
 */
#include "libvirt/libvirt-scope.h"

#include <fcntl.h>
#include <unistd.h>

/* As sd_booted(3) asks. */
bool
libvirt_scope_is_possible(void)
{
    return g_file_test("/run/systemd/system", G_FILE_TEST_IS_DIR);
}

static void
scope_add(GPtrArray *command, const char *kind, const char *unit,
          const char *description)
{
    const char *const words[] = {"systemd-run", "--quiet", "--collect", kind};
    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        g_ptr_array_add(command, g_strdup(words[i]));
    }
    g_ptr_array_add(command, g_strdup_printf("--unit=%s", unit));
    g_ptr_array_add(command, g_strdup_printf("--description=%s", description));
    g_ptr_array_add(command, g_strdup("--"));
}

void
libvirt_scope_add(GPtrArray *command, const char *unit,
                  const char *description)
{
    scope_add(command, "--scope", unit, description);
}

void
libvirt_scope_add_service(GPtrArray *command, const char *unit,
                          const char *description)
{
    scope_add(command, "--no-block", unit, description);
}

/* Nothing here but system calls: between fork() and exec() of a process with
 * threads no lock may be taken. */
void
libvirt_scope_leave(void)
{
    int fd = open("/sys/fs/cgroup/cgroup.procs", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t ignored = write(fd, "0", 1);
        (void)ignored;
        close(fd);
    }
}
