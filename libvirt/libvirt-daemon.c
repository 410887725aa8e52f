/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Connections to libvirt: see libvirt-daemon.h.
 */
#include "libvirt/libvirt-daemon.h"

#include <libvirt/virterror.h>
#include <string.h>

#include "base/error.h"

/* A host that dies without a word is noticed after 30 s, as by virsh. */
#define KEEPALIVE_S 5
#define KEEPALIVE_COUNT 5

static void
be_silent(void *data, virErrorPtr error)
{
}

bool
libvirt_daemon_init(GError **error)
{
    virSetErrorFunc(NULL, be_silent);
    if (virInitialize() < 0 || virEventRegisterDefaultImpl() < 0) {
        return libvirt_daemon_error(error, "libvirt's library does not start");
    }
    return true;
}

char *
libvirt_daemon_last_error(void)
{
    g_autofree char *text = g_strdup(virGetLastErrorMessage());
    return g_strdup(g_strstrip(text));
}

bool
libvirt_daemon_error(GError **error, const char *format, ...)
{
    g_autofree char *why = libvirt_daemon_last_error();
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *what = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    return error_set(error, ERROR_FAILED, "%s: %s", what, why);
}

virConnectPtr
libvirt_daemon_open(const char *uri, GError **error)
{
    virConnectPtr host = virConnectOpenAuth(uri, virConnectAuthPtrDefault, 0);
    if (!host) {
        libvirt_daemon_error(error, "cannot reach libvirt at %s",
                           uri ? uri : "its default address");
        return NULL;
    }
    /* Of no avail on a UNIX socket, which says so; no harm. */
    virConnectSetKeepAlive(host, KEEPALIVE_S, KEEPALIVE_COUNT);
    virResetLastError();
    return host;
}

void
libvirt_daemon_close(virConnectPtr host)
{
    if (host) {
        virConnectClose(host);
    }
}

virDomainPtr
libvirt_daemon_find(virConnectPtr host, const char *domain, GError **error)
{
    virDomainPtr found = virDomainLookupByName(host, domain);
    if (!found) {
        found = virDomainLookupByUUIDString(host, domain);
    }
    if (!found && *domain && strspn(domain, "0123456789") == strlen(domain)) {
        guint64 id = g_ascii_strtoull(domain, NULL, 10);
        found = id <= G_MAXINT ? virDomainLookupByID(host, (int)id) : NULL;
    }
    if (!found) {
        g_autofree char *uri = virConnectGetURI(host);
        error_set(error, ERROR_STATE,
                  "there is no domain '%s' at %s; 'virsh list --all' shows "
                  "those there are",
                  domain, uri);
    }
    return found;
}

char *
libvirt_daemon_xml(virDomainPtr domain, unsigned flags, GError **error)
{
    char *xml = virDomainGetXMLDesc(domain, flags);
    if (!xml) {
        libvirt_daemon_error(error, "cannot get the XML of domain '%s'",
                           virDomainGetName(domain));
    }
    return xml;
}

char *
libvirt_daemon_host_of_uri(const char *uri)
{
    g_autoptr(GUri) parsed = g_uri_parse(uri, G_URI_FLAGS_PARSE_RELAXED, NULL);
    const char *host = parsed ? g_uri_get_host(parsed) : NULL;
    return host && *host ? g_strdup(host) : NULL;
}

const char *
libvirt_daemon_state(virDomainPtr domain)
{
    static const char *const names[] = {
        [VIR_DOMAIN_NOSTATE] = "in no state",
        [VIR_DOMAIN_RUNNING] = "running",
        [VIR_DOMAIN_BLOCKED] = "blocked",
        [VIR_DOMAIN_PAUSED] = "paused",
        [VIR_DOMAIN_SHUTDOWN] = "shutting down",
        [VIR_DOMAIN_SHUTOFF] = "shut off",
        [VIR_DOMAIN_CRASHED] = "crashed",
        [VIR_DOMAIN_PMSUSPENDED] = "asleep",
    };
    int state;
    if (virDomainGetState(domain, &state, NULL, 0) < 0 || state < 0 ||
        state >= (int)G_N_ELEMENTS(names)) {
        return "gone or not to be asked";
    }
    return names[state];
}
