/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where a memory cgroup lies, from mountinfo as seen on hosts with v1, v2,
 * both, and inside containers.
 */
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "collapse/collapse-cgroup.h"

static const char hybrid[] =
    "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n"
    "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup "
    "rw,cpu,cpuacct\n"
    "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:10 master:3 - "
    "cgroup cgroup rw,memory\n"
    "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

static const char unified[] =
    "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 "
    "rw,nsdelegate,memory_recursiveprot\n";

static const char container[] =
    "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup "
    "rw,memory\n"
    "36 31 0:33 / /mnt/with\\040space rw - cgroup cgroup rw,memory\n";

static void
assert_located(const char *mountinfo, const char *controller, const char *path,
               const char *wanted)
{
    g_autofree char *found =
        collapse_cgroup_locate(mountinfo, controller, path);
    g_assert_cmpstr(found, ==, wanted);
}

static void
v1_and_v2(void)
{
    assert_located(hybrid, "memory", "/vm/1", "/sys/fs/cgroup/memory/vm/1");
    assert_located(hybrid, "cpuacct", "/", "/sys/fs/cgroup/cpu,cpuacct/");
    assert_located(hybrid, "", "/vm/1", "/sys/fs/cgroup/unified/vm/1");
    assert_located(hybrid, "mem", "/vm/1", NULL);
    assert_located(unified, "memory", "/vm/1", NULL);
    assert_located(unified, "", "/machine.slice/machine-qemu\\x2d1.scope",
                   "/sys/fs/cgroup/machine.slice/machine-qemu\\x2d1.scope");
}

static void
containers_and_spaces(void)
{
    assert_located(container, "memory", "/docker/abc/vm",
                   "/sys/fs/cgroup/memory/vm");
    assert_located(container, "memory", "/docker/abcd",
                   "/mnt/with space/docker/abcd");
    assert_located(container, "", "/docker/abc", NULL);
}

static void
garbage_is_passed_over(void)
{
    assert_located("", "memory", "/", NULL);
    assert_located("\n - \n1 2 - cgroup\n - cgroup cgroup memory\n", "memory",
                   "/", NULL);
    assert_located("35 31 0:32 / /m rw cgroup cgroup rw,memory\n", "memory",
                   "/", NULL);
}

static void
a_process_without_one(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_cmpint(collapse_cgroup_open(0x7ffffffe, &error), ==, -1);
    g_assert_true(error_is(error, ERROR_UNSUPPORTED));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/collapse-cgroup/v1-and-v2", v1_and_v2);
    g_test_add_func("/collapse-cgroup/containers", containers_and_spaces);
    g_test_add_func("/collapse-cgroup/garbage", garbage_is_passed_over);
    g_test_add_func("/collapse-cgroup/gone", a_process_without_one);
    return g_test_run();
}
