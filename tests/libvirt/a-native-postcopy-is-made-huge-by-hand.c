/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A domain as libvirt makes it, moved by libvirt's own postcopy, lies in small
 * pages on the other host. "postlude collapse --domain NAME" finds it there by
 * libvirt's own files and makes it huge, under a running guest; and so it does
 * again after the way back.
 */
#include <string.h>

#include "tests/support/khugepaged.h"
#include "tests/support/libvirt-expect.h"
#include "tests/support/vm-expect.h"

static void
move_and_sweep(LibvirtDomain *domain, const char *from)
{
    const char *to = libvirt_rig_other(from);
    const char *const sweep[] = {"postlude", "collapse", "--domain",
                                 libvirt_domain_name(domain), NULL};
    uint64_t khugepaged = khugepaged_made_bytes();
    libvirt_expect_postcopy(domain, from);
    libvirt_expect_small(domain, to, khugepaged);
    g_autofree char *report =
        libvirt_expect_run(libvirt_domain_rig(domain), to, sweep);
    g_test_message("%s", report);
    g_assert_nonnull(strstr(report, "every extent was tried"));
    libvirt_expect_huge(domain, to, 99);
    libvirt_expect_runs(domain, to);
}

static void
test_by_hand(void)
{
    const LibvirtDomainOptions options = {
        .ordinary = true,
        .mib = 128,
        .append = "mib=96 scan=1 stride=1024 report=50 slow=1000"};
    g_autoptr(LibvirtRig) rig = libvirt_expect_root_rig();
    if (!rig) {
        return;
    }
    g_autoptr(LibvirtDomain) domain = libvirt_expect_domain(rig, &options);
    move_and_sweep(domain, "a");
    move_and_sweep(domain, "b");
}

/* On the host that it has left it is not taken for a guest that runs. */
static void
test_where_it_is_not(void)
{
    const LibvirtDomainOptions options = {.ordinary = true};
    g_autoptr(LibvirtRig) rig = libvirt_expect_rig();
    if (!rig) {
        return;
    }
    g_autoptr(GError) error = NULL;
    const char *const sweep[] = {"postlude", "collapse", "--domain", "witness",
                                 NULL};
    g_autoptr(LibvirtDomain) domain = libvirt_expect_domain(rig, &options);
    libvirt_expect_plain_move(domain, "a", NULL);
    g_autoptr(VmTool) tool = libvirt_rig_start_on(rig, "a", sweep, &error);
    g_assert_no_error(error);
    vm_expect_end(tool, 20000, 1,
                  "domain 'witness' does not run on this host");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/native-postcopy/by-hand", test_by_hand);
    g_test_add_func("/native-postcopy/where-it-is-not", test_where_it_is_not);
    return g_test_run();
}
