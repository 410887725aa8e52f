/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An ordinary domain whose <memory> is no whole number of MiB: "postlude migrate
 * --prepare" makes a RAM object of the size that libvirt then tells QEMU, which
 * starts with nothing else.
 */
#include <string.h>

#include "tests/support/libvirt-journey.h"

static void
define(LibvirtRig *rig, const char *xml)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = libvirt_rig_file(rig, "shared", "odd.xml");
    g_file_set_contents(path, xml, -1, &error);
    g_assert_no_error(error);
    const char *const words[] = {"define", path, NULL};
    libvirt_rig_virsh(rig, "a", words, NULL, &error);
    g_assert_no_error(error);
}

static void
test_start(void)
{
    const LibvirtDomainOptions options = {.ordinary = true};
    g_autoptr(GError) error = NULL;
    g_autoptr(LibvirtRig) rig = libvirt_journey_rig(NULL);
    if (!rig) {
        return;
    }
    g_autofree char *xml = libvirt_domain_xml(rig, &options);
    g_auto(GStrv) parts = g_strsplit(xml, "<memory unit='MiB'>64<", 2);
    g_assert_cmpuint(g_strv_length(parts), ==, 2);
    g_autofree char *odd = g_strjoinv("<memory unit='KB'>64001<", parts);
    define(rig, odd);

    static const char *const prepare[] = {"postlude", "migrate", "--prepare",
                                          "witness", NULL};
    g_free(libvirt_expect_run(rig, "a", prepare));
    static const char *const start[] = {"start", "witness", NULL};
    libvirt_rig_virsh(rig, "a", start, NULL, &error);
    g_assert_no_error(error);
    /* Also as libvirt tells of it now that it runs. */
    static const char *const check[] = {
        "sh", "-c", "postlude check --domain witness || :", NULL};
    g_autofree char *text = libvirt_expect_run(rig, "a", check);
    g_assert_nonnull(strstr(text, "running: guest RAM is a shared, aligned "
                                  "file ('postlude-ram')"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/odd-memory/start", test_start);
    return g_test_run();
}
