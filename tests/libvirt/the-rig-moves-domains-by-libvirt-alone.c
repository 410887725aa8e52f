/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the other tests with libvirt stand on: two hosts whose libvirts move a
 * guest there and back by themselves, whoever drives it, as precopy and as
 * postcopy; and a guest's memory, of which every word is right each time.
 */
#include <string.h>

#include "tests/support/libvirt-expect.h"
#include "tests/support/vm-linux.h"
#include "tests/support/vm-qemu.h"

static const char *const p2p[] = {"--p2p", NULL};

static void
there_and_back(LibvirtRig *rig, const LibvirtDomainOptions *options,
               const char *const *there, const char *const *back)
{
    if (!rig) {
        return;
    }
    g_autoptr(LibvirtDomain) domain = libvirt_expect_domain(rig, options);
    libvirt_expect_plain_move(domain, "a", there);
    libvirt_expect_plain_move(domain, "b", back);
}

static void
test_witness(void)
{
    const LibvirtDomainOptions options = {0};
    g_autoptr(LibvirtRig) rig = libvirt_expect_rig();
    there_and_back(rig, &options, NULL, p2p);
}

static void
test_ordinary(void)
{
    const LibvirtDomainOptions options = {.ordinary = true};
    g_autoptr(LibvirtRig) rig = libvirt_expect_rig();
    there_and_back(rig, &options, p2p, NULL);
}

static void
test_postcopy(void)
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
    libvirt_expect_postcopy(domain, "a");
    libvirt_expect_postcopy(domain, "b");
}

static void
test_kvm(void)
{
    const LibvirtDomainOptions options = {
        .kvm = true,
        .append = "mib=8 scan=1 stride=1024 slow=1000 report=50"};
    if (!vm_qemu_skip(vm_qemu_why_not(VM_QEMU_HOST, true))) {
        g_autoptr(LibvirtRig) rig = libvirt_expect_root_rig();
        there_and_back(rig, &options, NULL, NULL);
    }
}

static void
test_linux(void)
{
    const LibvirtDomainOptions options = {.linux_guest = true};
    if (!vm_qemu_skip(vm_linux_why_not(VM_QEMU_HOST))) {
        g_autoptr(LibvirtRig) rig = libvirt_expect_rig();
        there_and_back(rig, &options, NULL, p2p);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/rig/witness", test_witness);
    g_test_add_func("/rig/ordinary-ram", test_ordinary);
    g_test_add_func("/rig/postcopy", test_postcopy);
    g_test_add_func("/rig/kvm", test_kvm);
    g_test_add_func("/rig/linux", test_linux);
    return g_test_run();
}
