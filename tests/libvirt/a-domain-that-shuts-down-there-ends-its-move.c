/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The domain powers off, or is destroyed, on the destination while most of its
 * memory is still on this host: 'postlude migrate' says so and ends with 0, in
 * seconds, and nothing of it is left on either host.
 */
#include <string.h>

#include "base/fd.h"
#include "tests/support/libvirt-journey.h"
#include "tests/support/vm-expect.h"
#include "tests/support/vm-qemu.h"

#define WAIT_MS 120000
#define MINUTES "4mbit"

static bool
narrow(LibvirtRig *rig)
{
    g_autoptr(GError) error = NULL;
    const char *const queue[] = {"tc", "qdisc", "add", "dev", "veth0", "root",
                                 "tbf", "rate", MINUTES, "burst", "128kb",
                                 "latency", "300ms", NULL};
    if (!libvirt_rig_run(rig, "a", queue, 20000, NULL, &error)) {
        vm_qemu_skip(g_strdup_printf("the line cannot be narrowed: %s",
                                     error->message));
        return false;
    }
    return true;
}

static void
wait_until_over_there(LibvirtDomain *domain)
{
    uint64_t deadline = fd_deadline_ns(WAIT_MS);
    for (;;) {
        g_autofree char *state = libvirt_domain_state(domain, "b");
        if (libvirt_domain_pid(domain, "a") == 0 &&
            g_strcmp0(state, "running") == 0) {
            return;
        }
        g_assert_cmpuint(fd_now_ns(), <, deadline);
        g_usleep(20000);
    }
}

/* "destroy NAME", "send-key NAME KEY" on the destination. */
static void
virsh(LibvirtDomain *domain, const char *command)
{
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) words = g_strsplit(command, " ", 2);
    const char *const arguments[] = {words[0], libvirt_domain_name(domain),
                                     words[1], NULL};
    libvirt_rig_virsh(libvirt_domain_rig(domain), "b", arguments, NULL,
                      &error);
    g_assert_no_error(error);
}

static void
test_ends(gconstpointer command)
{
    static const LibvirtDomainOptions options = {
        .mib = 128, .append = "mib=96 scan=1 stride=1024 report=50 slow=1000"};
    g_autoptr(LibvirtRig) rig = libvirt_journey_rig(NULL);
    if (!rig || !narrow(rig)) {
        return;
    }
    g_autoptr(LibvirtDomain) domain = libvirt_expect_domain(rig, &options);
    g_autoptr(VmTool) tool = libvirt_journey_start(domain, "a", NULL);
    wait_until_over_there(domain);
    virsh(domain, command);
    libvirt_journey_expect_end(tool, 0, "has gone over to the destination; the "
                                        "guest ");
    libvirt_expect_idle(rig, "a");
    libvirt_expect_idle(rig, "b");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/ends-there/powers-off",
                         "send-key KEY_P", test_ends);
    g_test_add_data_func("/ends-there/destroyed", "destroy", test_ends);
    return g_test_run();
}
