/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A connection to the libvirt daemon of a host, kept alive, and its errors as
 * ours. May be used by several threads at once; libvirt's errors belong to the
 * thread that got them. (libvirt's own headers have the names that would come
 * to mind: libvirt/libvirt-host.h is one of them, and ours would be found first.)
 */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>
#include <stdbool.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(virDomain, virDomainFree)

/* Keeps libvirt from printing, and lets it keep connections alive: it does so
 * in GLib's default main context, which is therefore the main thread's alone.
 * Once, before all else here. */
bool libvirt_daemon_init(GError **error);

/* URI NULL is libvirt's default. */
virConnectPtr libvirt_daemon_open(const char *uri, GError **error);
void libvirt_daemon_close(virConnectPtr host);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(virConnect, libvirt_daemon_close)

/* The domain by name, UUID or number; STATE if there is none. */
virDomainPtr libvirt_daemon_find(virConnectPtr host, const char *domain,
                               GError **error);

/* The domain's XML; FLAGS are libvirt's. Owned by the caller (g_free). */
char *libvirt_daemon_xml(virDomainPtr domain, unsigned flags, GError **error);

/* FORMAT, ": ", and what libvirt said on this thread. Always false. */
bool libvirt_daemon_error(GError **error, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

/* The same as text; owned by the caller. */
char *libvirt_daemon_last_error(void);

/* The host part of a libvirt URI, owned; NULL if it means this host. */
char *libvirt_daemon_host_of_uri(const char *uri);

/* "running", "paused", ... for a person. */
const char *libvirt_daemon_state(virDomainPtr domain);
