/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * "postlude migrate --tls": QEMU's stream by libvirt and the guest's memory by
 * us, both encrypted, with certificates that know the hosts by name; and with a
 * destination whose certificate is somebody else's the guest stays at home.
 */
#include <glib/gstdio.h>
#include <string.h>

#include "tests/support/libvirt-expect.h"
#include "tests/support/tls-certs.h"
#include "tests/support/vm-expect.h"

#define MOVE_MS 90000

/* What /etc/pki/qemu would have, and where the hook is told to look. */
static void
give_certificates(LibvirtRig *rig, const char *host, const char *directory)
{
    static const char *const files[] = {"ca-cert.pem", "server-cert.pem",
                                        "server-key.pem", "client-cert.pem",
                                        "client-key.pem"};
    g_autoptr(GError) error = NULL;
    for (unsigned i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *from = g_build_filename(directory, files[i], NULL);
        g_autofree char *name = g_strdup_printf("libvirt/pki/%s", files[i]);
        g_autofree char *to = libvirt_rig_file(rig, host, name);
        g_autofree char *text = NULL;
        gsize bytes = 0;
        g_file_get_contents(from, &text, &bytes, &error);
        g_assert_no_error(error);
        g_file_set_contents_full(to, text, (gssize)bytes,
                                 G_FILE_SET_CONTENTS_CONSISTENT, 0600, &error);
        g_assert_no_error(error);
    }
    g_autofree char *conf = libvirt_rig_file(rig, host,
                                             "libvirt/postlude.conf");
    g_file_set_contents(conf, "[libvirt]\ntls-creds=/etc/libvirt/pki\n", -1,
                        &error);
    g_assert_no_error(error);
}

/* Both hosts with certificates; those of b have FLAWS. */
static LibvirtRig *
start_rig(TlsCerts *certs, unsigned flaws)
{
    /* QEMU reads the keys, which only their owner may. */
    LibvirtRig *rig = libvirt_expect_root_rig();
    if (rig) {
        give_certificates(rig, "a",
                          tls_certs_directory(certs, "host-a", "a", 0));
        give_certificates(rig, "b",
                          tls_certs_directory(certs, "host-b", "b", flaws));
    }
    return rig;
}

static VmTool *
migrate(LibvirtRig *rig, const char *from, const char *flag)
{
    const char *to = libvirt_rig_uri(libvirt_rig_other(from));
    const char *const argv[] = {"postlude", "migrate", "witness", to, "--tls",
                                "--tls-creds", "/etc/libvirt/pki", flag,
                                NULL};
    g_autoptr(GError) error = NULL;
    VmTool *tool = libvirt_rig_start_on(rig, from, argv, &error);
    g_assert_no_error(error);
    return tool;
}

static void
expect_nothing_left(LibvirtDomain *domain, const char *host)
{
    libvirt_expect_idle(libvirt_domain_rig(domain), "a");
    libvirt_expect_idle(libvirt_domain_rig(domain), "b");
    libvirt_expect_clean(domain, host);
}

static void
expect_moves(LibvirtDomain *domain, const char *from, const char *flag)
{
    LibvirtRig *rig = libvirt_domain_rig(domain);
    const char *to = libvirt_rig_other(from);
    g_autoptr(VmTool) tool = migrate(rig, from, flag);
    g_autoptr(GError) error = NULL;
    int code = -1;
    bool ended = vm_tool_wait(tool, MOVE_MS, &code, &error);
    g_autofree char *said = vm_tool_stderr(tool);
    g_assert_no_error(error);
    g_assert_true(ended);
    if (code != 0) {
        g_error("postlude migrate --tls exited with %d: %s", code, said);
    }
    libvirt_expect_runs(domain, to);
    libvirt_expect_becomes_huge(domain, to, 99);
    expect_nothing_left(domain, to);
}

static void
test_moves(void)
{
    g_autoptr(TlsCerts) certs = tls_certs_new();
    g_autoptr(LibvirtRig) rig = start_rig(certs, 0);
    const LibvirtDomainOptions options = {0};
    if (!rig) {
        return;
    }
    g_autoptr(LibvirtDomain) domain = libvirt_expect_domain(rig, &options);
    expect_moves(domain, "a", NULL);
    expect_moves(domain, "b", "--p2p");
}

static void
test_stranger(void)
{
    g_autoptr(TlsCerts) certs = tls_certs_new();
    g_autoptr(LibvirtRig) rig = start_rig(certs, TLS_CERTS_OTHER_ISSUER);
    const LibvirtDomainOptions options = {0};
    if (!rig) {
        return;
    }
    g_autoptr(LibvirtDomain) domain = libvirt_expect_domain(rig, &options);
    g_autoptr(VmTool) tool = migrate(rig, "a", NULL);
    vm_expect_end(tool, MOVE_MS, 1,
                  "'witness' was not moved, and is running on this host");
    libvirt_expect_runs(domain, "a");
    expect_nothing_left(domain, "a");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tls/moves", test_moves);
    g_test_add_func("/tls/a-stranger-is-turned-away", test_stranger);
    return g_test_run();
}
