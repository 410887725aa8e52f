/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * tests/kernel tries what we believe of Linux on the kernel of this host, and
 * with the version of cgroups that this host has. A Linux guest has Debian's
 * kernel (12: Linux 6.1, the oldest we support) and cgroup v2 alone: the same
 * programs run in there, with the unit tests that stand on the kernel, and none
 * may skip.
 */
#include <string.h>

#include "tests/support/vm-expect.h"
#include "tests/support/vm-linux.h"

#define BOUND_MS 400000

/* Their paths. */
static GStrv
find_programs(void)
{
    GStrv names = g_strsplit(PROGRAMS, " ", -1);
    for (char **name = names; *name; name++) {
        char *path = g_build_filename(BUILD_ROOT, "tests", *name, NULL);
        g_free(*name);
        *name = path;
    }
    return names;
}

static unsigned
count_of(const char *text, const char *what)
{
    unsigned n = 0;
    for (text = strstr(text, what); text; text = strstr(text + 1, what)) {
        n++;
    }
    return n;
}

static void
test_older_kernel(void)
{
    if (vm_qemu_skip(vm_linux_why_not(VM_QEMU_HOST))) {
        return;
    }
    g_auto(GStrv) programs = find_programs();
    g_autofree char *text =
        vm_expect_programs(1024, "beliefs.init",
                           (const char *const *)programs, BOUND_MS);
    g_assert_nonnull(strstr(text, "\nstatus 0"));
    g_assert_cmpuint(count_of(text, "\nok "), >=, 100);
    g_assert_cmpuint(count_of(text, "SKIP"), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/beliefs/older-kernel", test_older_kernel);
    return g_test_run();
}
