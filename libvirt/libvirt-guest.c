/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A domain's XML on both hosts: see libvirt-guest.h.
 */
#include "libvirt/libvirt-guest.h"

#include <libvirt/virterror.h>
#include <string.h>

#include "base/error.h"
#include "libvirt/libvirt-metadata.h"

/* Of a domain that runs, its definition for the next start may differ. */
static const char *
remedy_for(virDomainPtr domain)
{
    g_autofree char *xml =
        virDomainGetXMLDesc(domain, VIR_DOMAIN_XML_INACTIVE);
    g_auto(LibvirtPrepare) next = {0};
    bool ready = xml && libvirt_prepare_look(xml, &next, NULL) &&
                 libvirt_prepare_is_ready(&next);
    return ready ? "its definition has it: shut it down and start it again (a "
                   "reboot from inside is not enough)"
                 : "'postlude check --domain' shows the XML, 'postlude migrate "
                   "--prepare' puts it in; then shut it down and start it "
                   "again";
}

bool
libvirt_guest_check(virDomainPtr domain, LibvirtPrepare *prepare,
                    GError **error)
{
    const char *name = virDomainGetName(domain);
    if (virDomainIsActive(domain) != 1) {
        return error_set(error, ERROR_STATE,
                         "domain '%s' does not run; 'virsh migrate --offline' "
                         "moves its definition",
                         name);
    }
    g_autofree char *xml = libvirt_daemon_xml(domain, 0, error);
    if (!xml || !libvirt_prepare_look(xml, prepare, error)) {
        return false;
    }
    if (prepare->obstacle) {
        return error_set(error, ERROR_UNSUPPORTED,
                         "domain '%s' cannot be moved: %s", name,
                         prepare->obstacle);
    }
    if (prepare->ram_lack) {
        return error_set(error, ERROR_UNSUPPORTED,
                         "domain '%s' does not run with RAM that can be moved: "
                         "%s; %s",
                         name, prepare->ram_lack, remedy_for(domain));
    }
    return prepare->monitor ||
           error_set(error, ERROR_UNSUPPORTED,
                     "domain '%s' has no monitor beside libvirt's; %s", name,
                     remedy_for(domain));
}

/* A guest that runs has what it was started with. */
static const char *
say_when(virDomainPtr domain)
{
    g_autofree char *xml = virDomainIsActive(domain) == 1
                               ? virDomainGetXMLDesc(domain, 0)
                               : NULL;
    g_auto(LibvirtPrepare) running = {0};
    return xml && libvirt_prepare_look(xml, &running, NULL) &&
                   !libvirt_prepare_is_ready(&running)
               ? "; the guest that runs has it after it was shut down and "
                 "started again (a reboot from inside is not enough)"
               : "";
}

bool
libvirt_guest_prepare(virDomainPtr domain, char **text, GError **error)
{
    const char *name = virDomainGetName(domain);
    if (virDomainIsPersistent(domain) != 1) {
        return error_set(error, ERROR_STATE,
                         "domain '%s' is transient: it has no definition to "
                         "change; whoever makes its XML has to put this in, "
                         "see 'postlude check --domain %s'",
                         name, name);
    }
    /* With secrets, or they would be lost. */
    g_autofree char *before = libvirt_daemon_xml(
        domain, VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE, error);
    g_autofree char *after =
        before ? libvirt_prepare_domain(before, error) : NULL;
    if (!after) {
        return false;
    }
    if (strcmp(before, after) == 0) {
        *text = g_strdup_printf("%s: nothing is missing in its definition%s",
                                name, say_when(domain));
        return true;
    }
    g_autoptr(virDomain) defined =
        virDomainDefineXMLFlags(virDomainGetConnect(domain), after,
                                VIR_DOMAIN_DEFINE_VALIDATE);
    if (!defined) {
        return libvirt_daemon_error(error, "libvirt does not take the prepared "
                                         "definition of '%s'", name);
    }
    *text = g_strdup_printf("%s: RAM object and second monitor are in its "
                            "definition now%s",
                            name, say_when(domain));
    return true;
}

static char *
read_file(const char *path, GError **error)
{
    char *text = NULL;
    g_autoptr(GError) why = NULL;
    if (!g_file_get_contents(path, &text, NULL, &why)) {
        error_set(error, ERROR_USAGE, "%s", why->message);
    }
    return text;
}

char *
libvirt_guest_dest_xml(virDomainPtr domain, const LibvirtOptions *options,
                       const char *address, const char *hostname,
                       const char *token, GError **error)
{
    g_autofree char *xml =
        options->xml_file
            ? read_file(options->xml_file, error)
            : libvirt_daemon_xml(domain,
                               VIR_DOMAIN_XML_MIGRATABLE |
                                   VIR_DOMAIN_XML_SECURE,
                               error);
    g_auto(LibvirtMetadata) metadata = {0};
    if (!xml || !libvirt_metadata_decode(xml, &metadata, error)) {
        return NULL;
    }
    LibvirtMetadata wanted = {
        .address = (char *)address,
        .token = (char *)token,
        .insecure = options->insecure,
        .tls = options->tls,
        .tls_hostname = options->tls ? (char *)hostname : NULL,
        .collapse_after_migration = metadata.collapse_after_migration};
    return libvirt_metadata_encode(xml, &wanted, error);
}

/* A persistent domain's definition goes along by itself, and never had our
 * address in it. A transient one's would be made from what runs, with it. */
bool
libvirt_guest_persist_xml(virDomainPtr domain, const LibvirtOptions *options,
                          char **xml, GError **error)
{
    *xml = NULL;
    if (!options->persistent) {
        return true;
    }
    if (options->persistent_xml_file) {
        *xml = read_file(options->persistent_xml_file, error);
        return *xml != NULL;
    }
    if (virDomainIsPersistent(domain) == 1) {
        return true;
    }
    g_autofree char *now = libvirt_daemon_xml(
        domain,
        VIR_DOMAIN_XML_INACTIVE | VIR_DOMAIN_XML_SECURE |
            VIR_DOMAIN_XML_MIGRATABLE,
        error);
    *xml = now ? libvirt_metadata_strip(now, error) : NULL;
    return *xml != NULL;
}

static bool
tidy_one(virDomainPtr domain, unsigned which, GError **error)
{
    g_autofree char *now = virDomainGetMetadata(
        domain, VIR_DOMAIN_METADATA_ELEMENT, LIBVIRT_METADATA_URI, which);
    if (!now) {
        return virGetLastErrorCode() == VIR_ERR_NO_DOMAIN_METADATA ||
               libvirt_daemon_error(error, "cannot read the metadata");
    }
    g_auto(LibvirtMetadata) metadata = {0};
    if (!libvirt_metadata_decode(now, &metadata, error)) {
        return false;
    }
    LibvirtMetadata rest = {
        .collapse_after_migration = metadata.collapse_after_migration};
    g_autofree char *element = NULL;
    if (!metadata.address) {
        return true;
    }
    return libvirt_metadata_element(&rest, &element, error) &&
           (virDomainSetMetadata(domain, VIR_DOMAIN_METADATA_ELEMENT, element,
                                 LIBVIRT_METADATA_KEY, LIBVIRT_METADATA_URI,
                                 which) == 0 ||
            libvirt_daemon_error(error, "cannot change the metadata"));
}

bool
libvirt_guest_tidy(virConnectPtr host, const char *uuid, GError **error)
{
    g_autoptr(virDomain) domain = virDomainLookupByUUIDString(host, uuid);
    if (!domain) {
        return libvirt_daemon_error(error, "cannot find the domain");
    }
    return tidy_one(domain, VIR_DOMAIN_AFFECT_LIVE, error) &&
           (virDomainIsPersistent(domain) != 1 ||
            tidy_one(domain, VIR_DOMAIN_AFFECT_CONFIG, error));
}
