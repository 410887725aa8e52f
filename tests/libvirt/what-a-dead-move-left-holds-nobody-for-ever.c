/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The address of a sender that is long gone, left in a domain's metadata: the
 * domain starts with it; libvirt's own migration is refused, with the command
 * that helps, because nobody can tell that the sender will not come; and that
 * command helps. A saved guest has all its memory, so it is restored, and what
 * was left over is gone with that.
 */
#include <string.h>

#include "tests/support/libvirt-expect.h"

#define URI "https://postlude.org/libvirt/1"
/* Nobody listens at that port. */
#define LEFT_OVER                                                           \
    "<postlude:guest xmlns:postlude='" URI "'><postlude:receive "           \
    "address='10.77.0.1:9' token='00112233445566778899aabbccddeeff'/>"      \
    "</postlude:guest>"

static const LibvirtDomainOptions options = {.metadata = LEFT_OVER};

static char *
domain_xml(LibvirtRig *rig, const char *host)
{
    const char *const argv[] = {"virsh", "-q", "dumpxml", "witness", NULL};
    return libvirt_expect_run(rig, host, argv);
}

static void
virsh(LibvirtRig *rig, const char *host, const char *const *arguments)
{
    g_autoptr(GError) error = NULL;
    libvirt_rig_virsh(rig, host, arguments, NULL, &error);
    g_assert_no_error(error);
}

static void
test_migration(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(LibvirtRig) rig = libvirt_expect_rig();
    if (!rig) {
        return;
    }
    g_autoptr(LibvirtDomain) domain = libvirt_expect_domain(rig, &options);
    g_assert_false(libvirt_domain_migrate(domain, "a", NULL, &error));
    g_assert_nonnull(strstr(error->message, "virsh metadata 'witness' " URI
                                            " --remove --live"));
    libvirt_expect_runs(domain, "a");
    static const char *const remedy[] = {"metadata", "witness", URI,
                                         "--remove", "--live", NULL};
    virsh(rig, "a", remedy);
    libvirt_expect_plain_move(domain, "a", NULL);
}

static void
test_saved_guest(void)
{
    g_autoptr(LibvirtRig) rig = libvirt_expect_rig();
    if (!rig) {
        return;
    }
    g_autoptr(LibvirtDomain) domain = libvirt_expect_domain(rig, &options);
    static const char *const save[] = {"managedsave", "witness", NULL};
    static const char *const start[] = {"start", "witness", NULL};
    virsh(rig, "a", save);
    virsh(rig, "a", start);
    g_autofree char *xml = domain_xml(rig, "a");
    g_assert_null(strstr(xml, "10.77.0.1:9"));
    libvirt_expect_runs(domain, "a");
    libvirt_expect_plain_move(domain, "a", NULL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/left-over/migration", test_migration);
    g_test_add_func("/left-over/saved-guest", test_saved_guest);
    return g_test_run();
}
