/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A domain with ordinary RAM, moved by libvirt's own postcopy, is huge again on
 * the other host without a word typed there: by the hook, because the domain's
 * metadata or the host's configuration says so. A host where nobody says so
 * leaves it as it came, and so is a domain that was only started.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/support/khugepaged.h"
#include "tests/support/libvirt-expect.h"

#define METADATA                                                            \
    "<postlude:guest xmlns:postlude='https://postlude.org/libvirt/1'>"      \
    "<postlude:collapse after-migration='yes'/></postlude:guest>"
#define GUEST "mib=96 scan=1 stride=1024 report=50 slow=1000"

static void
configure(LibvirtRig *rig, const char *host, const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path =
        libvirt_rig_file(rig, host, "libvirt/postlude.conf");
    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
}

static void
move(LibvirtDomain *domain, const char *from)
{
    g_autoptr(GError) error = NULL;
    libvirt_domain_migrate_postcopy(domain, from, &error);
    g_assert_no_error(error);
}

static void
expect_swept(LibvirtDomain *domain, const char *host)
{
    libvirt_expect_becomes_huge(domain, host, 99);
    libvirt_expect_idle(libvirt_domain_rig(domain), host);
    libvirt_expect_runs(domain, host);
}

/* There and back: what the operator asked for is not used up. */
static void
test_metadata(void)
{
    const LibvirtDomainOptions options = {.ordinary = true, .mib = 128,
                                          .append = GUEST,
                                          .metadata = METADATA};
    g_autoptr(LibvirtRig) rig = libvirt_expect_root_rig();
    if (!rig) {
        return;
    }
    g_autoptr(LibvirtDomain) domain = libvirt_expect_domain(rig, &options);
    g_assert_cmpuint(libvirt_rig_count(rig, "a", "postlude"), ==, 0);
    move(domain, "a");
    expect_swept(domain, "b");
    move(domain, "b");
    expect_swept(domain, "a");
}

static void
test_configuration(void)
{
    const LibvirtDomainOptions options = {.ordinary = true, .mib = 128,
                                          .append = GUEST};
    g_autoptr(LibvirtRig) rig = libvirt_expect_root_rig();
    if (!rig) {
        return;
    }
    configure(rig, "b", "[libvirt]\ncollapse-after-migration=yes\n");
    configure(rig, "a", "[libvirt]\ncollapse-after-migration=no\n");
    g_autoptr(LibvirtDomain) domain = libvirt_expect_domain(rig, &options);
    move(domain, "a");
    expect_swept(domain, "b");
    uint64_t khugepaged = khugepaged_made_bytes();
    move(domain, "b");
    g_assert_cmpuint(libvirt_rig_count(rig, "a", "postlude"), ==, 0);
    libvirt_expect_runs(domain, "a");
    libvirt_expect_small(domain, "a", khugepaged);
}

/* That libvirt waits for a hook is felt by each domain of the host. */
static void
test_in_a_moment(void)
{
    const LibvirtDomainOptions options = {.ordinary = true};
    g_autoptr(LibvirtRig) rig = libvirt_expect_rig();
    if (!rig) {
        return;
    }
    g_autoptr(LibvirtDomain) domain = libvirt_expect_domain(rig, &options);
    /* The best of twenty, beside a script that starts a program and does
     * nothing: the machine may be busy or slow, the hook may not. */
    static const char *const time[] = {
        "sh", "-c",
        "virsh -q dumpxml witness >/run/xml && best=999999999; base=$best; "
        "i=0; while [ $i -lt 20 ]; do start=$(date +%s%N); "
        "/etc/libvirt/hooks/qemu.d/postlude witness started begin - </run/xml "
        "|| exit 1; took=$(($(date +%s%N) - start)); "
        "[ $took -ge $best ] || best=$took; start=$(date +%s%N); "
        "sh -c 'exec true' </run/xml; took=$(($(date +%s%N) - start)); "
        "[ $took -ge $base ] || base=$took; i=$((i + 1)); done; rm /run/xml; "
        "echo $((best / 1000)) $((base / 1000))", NULL};
    g_autofree char *us = libvirt_expect_run(rig, "a", time);
    g_test_message("a domain that asks for nothing, and nothing at all: %s us",
                   g_strstrip(us));
    char *base = strchr(us, ' ');
    g_assert_nonnull(base);
    g_assert_cmpint(atoi(us), <, MAX(10000, 8 * atoi(base)));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hook-collapse/metadata", test_metadata);
    g_test_add_func("/hook-collapse/configuration", test_configuration);
    g_test_add_func("/hook-collapse/in-a-moment", test_in_a_moment);
    return g_test_run();
}
