/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * On the unified hierarchy libvirt keeps QEMU's threads in threaded cgroups.
 * The child that lays huge pages may join one of those just like any other,
 * so there is no need to look for the domain above, which pays for the memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/proc-maps.h"
#include "collapse/collapse-cgroup.h"
#include "tests/kernel/support/kernel-cgroup.h"
#include "tests/kernel/support/kernel-fixture.h"

typedef struct {
    char *domain, *threaded;
    KernelGuest guest;
} Scene;

/* Writes TEXT to FILE in DIRECTORY; 0 or errno. */
static int
put(const char *directory, const char *file, const char *text)
{
    g_autofree char *path = g_build_filename(directory, file, NULL);
    autofd fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 || write(fd, text, strlen(text)) < 0 ? errno : 0;
}

static void
scene_clear(Scene *s)
{
    kernel_guest_stop(&s->guest);
    if (s->domain) {
        kernel_cgroup_remove(s->threaded);
        kernel_cgroup_remove(s->domain);
    }
    g_free(s->domain);
    g_free(s->threaded);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Scene, scene_clear)

static bool
scene_init(Scene *s)
{
    g_autofree char *mountinfo = NULL;
    g_file_get_contents("/proc/self/mountinfo", &mountinfo, NULL, NULL);
    g_autofree char *root = collapse_cgroup_locate(mountinfo, "", "/");
    if (!root) {
        return false;
    }
    s->domain = g_strdup_printf("%s/postlude-test-%d", root, (int)getpid());
    s->threaded = g_build_filename(s->domain, "emulator", NULL);
    kernel_guest_start(&s->guest);
    g_autofree char *pid = g_strdup_printf("%d", (int)s->guest.pid);
    return mkdir(s->domain, 0755) == 0 && mkdir(s->threaded, 0755) == 0 &&
           put(s->threaded, "cgroup.type", "threaded") == 0 &&
           put(s->domain, "cgroup.procs", pid) == 0 &&
           put(s->threaded, "cgroup.threads", pid) == 0;
}

/* In a child, where the hierarchy of version 1 that may pay for memory on this
 * host is out of sight. Returns an exit code. */
static int
join(const Scene *s)
{
    g_autofree char *path = NULL, *mine = NULL;
    if (unshare(CLONE_NEWNS) < 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        return 77;
    }
    umount2("/sys/fs/cgroup/memory", MNT_DETACH);
    autofd procs = collapse_cgroup_open(s->guest.pid, NULL);
    if (procs < 0 || write(procs, "0", 1) != 1) {
        return 1;
    }
    path = proc_cgroup_read(s->guest.pid, "");
    mine = proc_cgroup_read(getpid(), "");
    return strcmp(path, mine) == 0 && g_str_has_suffix(mine, "/emulator") ? 0
                                                                          : 2;
}

static void
it_lets_us_in(void)
{
    g_auto(Scene) s = {0};
    int status;
    if (!kernel_fixture_need(scene_init(&s), "no threaded cgroup can be made "
                                             "on the unified hierarchy")) {
        return;
    }
    pid_t pid = fork();
    if (pid == 0) {
        _exit(join(&s));
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_true(WIFEXITED(status));
    if (kernel_fixture_need(WEXITSTATUS(status) != 77,
                            "no mount namespace can be made")) {
        g_assert_cmpint(WEXITSTATUS(status), ==, 0);
    }
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/threaded", it_lets_us_in);
    return g_test_run();
}
