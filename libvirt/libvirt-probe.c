/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Asking for the hook: see libvirt-probe.h.
 */
#include "libvirt/libvirt-probe.h"

#include <libvirt/virterror.h>
#include <string.h>

#include "libvirt/libvirt-arguments.h"

#define BAD_ARGUMENT "-postlude-probe"
#define TRIES 50
#define PAUSE_US 100000

/* Only what decides which QEMU would be started. */
static char *
make_domain(const char *domain_xml)
{
    g_autoptr(xmlDoc) doc = libvirt_xml_parse(domain_xml, NULL);
    xmlNode *root = doc ? xmlDocGetRootElement(doc) : NULL;
    xmlNode *os = root ? libvirt_xml_child(root, "os") : NULL;
    xmlNode *type = os ? libvirt_xml_child(os, "type") : NULL;
    g_autofree char *kind = root ? libvirt_xml_attribute(root, "type") : NULL;
    g_autofree char *arch = type ? libvirt_xml_attribute(type, "arch") : NULL;
    return g_markup_printf_escaped(
        "<domain type='%s' xmlns:qemu='" LIBVIRT_QEMU_URI "'>"
        "<name>" LIBVIRT_PROBE_NAME "</name>"
        "<memory unit='MiB'>16</memory>"
        "<os><type arch='%s'>hvm</type></os>"
        "<devices><controller type='usb' model='none'/>"
        "<memballoon model='none'/></devices>"
        "<qemu:commandline><qemu:arg value='" BAD_ARGUMENT "'/>"
        "</qemu:commandline></domain>",
        kind ? kind : "kvm", arch ? arch : "x86_64");
}

static LibvirtProbe
probe_ask(virConnectPtr host, const char *xml, char **why)
{
    g_autoptr(virDomain) domain = virDomainCreateXML(
        host, xml, VIR_DOMAIN_START_PAUSED | VIR_DOMAIN_START_AUTODESTROY);
    if (domain) {
        /* A QEMU that takes any argument: no answer, but gone again. */
        virDomainDestroy(domain);
        *why = g_strdup("the probe's domain started");
        return LIBVIRT_PROBE_UNKNOWN;
    }
    *why = libvirt_daemon_last_error();
    if (strstr(*why, LIBVIRT_PROBE_ANSWER)) {
        return LIBVIRT_PROBE_READY;
    }
    /* It got as far as QEMU, past all hooks. */
    return strstr(*why, BAD_ARGUMENT) ? LIBVIRT_PROBE_MISSING
                                      : LIBVIRT_PROBE_UNKNOWN;
}

/* One name for all, because libvirt keeps a log file of each name for ever. So
 * somebody else's probe may be in the way, for a tenth of a second. */
LibvirtProbe
libvirt_probe(virConnectPtr host, const char *domain_xml, char **why)
{
    g_autofree char *xml = make_domain(domain_xml);
    for (unsigned i = 0;; i++) {
        LibvirtProbe answer = probe_ask(host, xml, why);
        if (i == TRIES || answer != LIBVIRT_PROBE_UNKNOWN ||
            !strstr(*why, LIBVIRT_PROBE_NAME "'")) {
            return answer;
        }
        g_free(*why);
        g_usleep(PAUSE_US);
    }
}
