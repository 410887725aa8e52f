/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * "postlude migrate", there and back again and again: driven by the client and
 * peer to peer, transient and persistent. Each time no word of the guest's
 * memory is wrong, all of it is huge, and the domain's XML is what it was.
 */
#include <string.h>

#include "tests/support/libvirt-journey.h"
#include "tests/support/vm-linux.h"
#include "tests/support/vm-qemu.h"

static const char *const p2p[] = {"--p2p", NULL};
static const char *const persistent[] = {"--persistent", NULL};
static const char *const all[] = {"--p2p", "--persistent", NULL};

static void
expect_same_xml(LibvirtDomain *domain, const char *host, const char *before)
{
    g_autofree char *now = libvirt_journey_xml(domain, host);
    g_assert_cmpstr(now, ==, before);
}

static void
go(const LibvirtDomainOptions *options, unsigned times)
{
    static const char *const *const flags[] = {NULL, p2p, persistent, all};
    g_autoptr(LibvirtRig) rig = libvirt_journey_rig(NULL);
    if (!rig) {
        return;
    }
    g_autoptr(LibvirtDomain) domain = libvirt_expect_domain(rig, options);
    g_autofree char *before = libvirt_journey_xml(domain, "a");
    for (unsigned i = 0; i < times; i++) {
        libvirt_journey_expect(domain, "a", flags[i % 4]);
        expect_same_xml(domain, "b", before);
        libvirt_journey_expect(domain, "b", flags[(i + 1) % 4]);
        expect_same_xml(domain, "a", before);
    }
}

static void
test_witness(void)
{
    const LibvirtDomainOptions options = {0};
    go(&options, 5);
}

static void
expect_defined(LibvirtDomain *domain, const char *host)
{
    g_autofree char *here = libvirt_domain_state(domain, host);
    g_autofree char *there =
        libvirt_domain_state(domain, libvirt_rig_other(host));
    g_assert_cmpstr(here, ==, "running");
    g_assert_null(there);
}

/* Each time the definition goes along, and nothing stays behind. */
static void
test_definition(void)
{
    static const char *const flags[] = {"--persistent", "--undefinesource",
                                        NULL};
    const LibvirtDomainOptions options = {0};
    g_autoptr(LibvirtRig) rig = libvirt_journey_rig(NULL);
    if (!rig) {
        return;
    }
    g_autoptr(LibvirtDomain) domain = libvirt_expect_domain(rig, &options);
    g_autofree char *before = libvirt_journey_xml(domain, "a");
    libvirt_journey_expect(domain, "a", flags);
    expect_same_xml(domain, "b", before);
    expect_defined(domain, "b");
    libvirt_journey_expect(domain, "b", flags);
    expect_same_xml(domain, "a", before);
    expect_defined(domain, "a");
}

/* A host that systemd seems to run, which makes no scope: it is said, and the
 * guest moves all the same. */
static void
test_no_scope(void)
{
    const LibvirtDomainOptions options = {0};
    g_autoptr(LibvirtRig) rig = libvirt_journey_rig(NULL);
    if (!rig) {
        return;
    }
    g_autofree char *sign = libvirt_rig_file(rig, "a", "run/systemd/system");
    g_assert_no_errno(g_mkdir_with_parents(sign, 0755));
    g_autoptr(LibvirtDomain) domain = libvirt_expect_domain(rig, &options);
    g_autoptr(VmTool) tool = libvirt_journey_start(domain, "a", NULL);
    libvirt_journey_expect_end(tool, 0, "has no scope of its own");
    libvirt_journey_expect_arrived(domain, "b");
}

/* What the operator wants of every move stays in the metadata. */
static void
test_metadata(void)
{
    const LibvirtDomainOptions options = {
        .metadata =
            "<other:thing xmlns:other='urn:other'>kept</other:thing>"
            "<postlude:guest xmlns:postlude='https://postlude.org/libvirt/1'>"
            "<postlude:collapse after-migration='yes'/></postlude:guest>"};
    go(&options, 1);
}

static void
test_linux(void)
{
    const LibvirtDomainOptions options = {.linux_guest = true};
    if (!vm_qemu_skip(vm_linux_why_not(VM_QEMU_HOST))) {
        go(&options, 1);
    }
}

static void
test_kvm(void)
{
    const LibvirtDomainOptions options = {
        .kvm = true,
        .append = "mib=8 scan=1 stride=1024 slow=1000 report=50"};
    if (vm_qemu_skip(vm_qemu_why_not(VM_QEMU_HOST, true))) {
        return;
    }
    const LibvirtRigOptions root = {.qemu_user = "root"};
    g_autoptr(LibvirtRig) rig = libvirt_journey_rig(&root);
    if (!rig) {
        return;
    }
    g_autoptr(LibvirtDomain) domain = libvirt_expect_domain(rig, &options);
    libvirt_journey_expect(domain, "a", NULL);
    libvirt_journey_expect(domain, "b", p2p);
}

static void
test_two_at_once(void)
{
    const LibvirtDomainOptions one = {.name = "one"}, two = {.name = "two"};
    g_autoptr(LibvirtRig) rig = libvirt_journey_rig(NULL);
    if (!rig) {
        return;
    }
    g_autoptr(LibvirtDomain) first = libvirt_expect_domain(rig, &one);
    g_autoptr(LibvirtDomain) second = libvirt_expect_domain(rig, &two);
    g_autoptr(VmTool) tool = libvirt_journey_start(first, "a", NULL);
    g_autoptr(VmTool) other = libvirt_journey_start(second, "a", p2p);
    libvirt_journey_expect_end(tool, 0, "");
    libvirt_journey_expect_end(other, 0, "");
    libvirt_journey_expect_arrived(first, "b");
    libvirt_journey_expect_arrived(second, "b");
    /* And across each other. */
    libvirt_journey_expect(first, "b", NULL);
    g_autoptr(VmTool) there = libvirt_journey_start(first, "a", p2p);
    g_autoptr(VmTool) back = libvirt_journey_start(second, "b", p2p);
    libvirt_journey_expect_end(there, 0, "");
    libvirt_journey_expect_end(back, 0, "");
    libvirt_journey_expect_arrived(first, "b");
    libvirt_journey_expect_arrived(second, "a");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/there-and-back/five-times", test_witness);
    g_test_add_func("/there-and-back/definition", test_definition);
    g_test_add_func("/there-and-back/no-scope", test_no_scope);
    g_test_add_func("/there-and-back/metadata", test_metadata);
    g_test_add_func("/there-and-back/linux", test_linux);
    g_test_add_func("/there-and-back/kvm", test_kvm);
    g_test_add_func("/there-and-back/two-at-once", test_two_at_once);
    return g_test_run();
}
