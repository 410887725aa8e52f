/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two daemons and the domain between them: see libvirt-pair.h.
 */
#include "libvirt/libvirt-pair.h"

#include "base/error.h"
#include "libvirt/libvirt-guest.h"
#include "libvirt/libvirt-probe.h"

void
libvirt_pair_clear(LibvirtPair *pair)
{
    libvirt_prepare_clear(&pair->prepare);
    g_clear_pointer(&pair->domain, virDomainFree);
    g_clear_pointer(&pair->destination, libvirt_daemon_close);
    g_clear_pointer(&pair->source, libvirt_daemon_close);
}

static bool
open_source(LibvirtPair *pair, const LibvirtOptions *o, GError **error)
{
    pair->source = libvirt_daemon_open(o->connect_uri, error);
    if (!pair->source) {
        return false;
    }
    g_autofree char *uri = virConnectGetURI(pair->source);
    g_autofree char *host = uri ? libvirt_daemon_host_of_uri(uri) : NULL;
    if (host) {
        return error_set(error, ERROR_USAGE,
                         "%s is libvirt on another host: run 'postlude "
                         "migrate' where the guest runs, because its memory "
                         "is served from there",
                         uri);
    }
    pair->domain = libvirt_daemon_find(pair->source, o->domain, error);
    if (!pair->domain) {
        return false;
    }
    virDomainGetUUIDString(pair->domain, pair->uuid);
    return libvirt_guest_check(pair->domain, &pair->prepare, error);
}

/* With --p2p the daemons talk to each other, and this process need not reach
 * the destination; it is only better if it does. */
static bool
open_destination(LibvirtPair *pair, const LibvirtOptions *options,
                 GError **error)
{
    g_autoptr(GError) why = NULL;
    pair->destination = libvirt_daemon_open(options->dest_uri, &why);
    if (!pair->destination && !options->p2p) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    if (!pair->destination) {
        g_message("%s; the move goes on, but the hook there is not checked, "
                  "and the sender's address stays in the domain's metadata "
                  "afterwards",
                  why->message);
    }
    return true;
}

bool
libvirt_pair_reach_destination(LibvirtPair *pair,
                               const LibvirtOptions *options, GError **error)
{
    if (!pair->destination) {
        return error_set(error, ERROR_FAILED,
                         "libvirt there cannot be reached from this host");
    }
    if (virConnectIsAlive(pair->destination) != 1) {
        libvirt_daemon_close(pair->destination);
        pair->destination = libvirt_daemon_open(options->dest_uri, error);
    }
    return pair->destination != NULL;
}

bool
libvirt_pair_ask_for_hook(LibvirtPair *pair, GError **error)
{
    g_autofree char *xml =
        pair->destination ? libvirt_daemon_xml(pair->domain, 0, error) : NULL;
    if (!xml) {
        return !pair->destination;
    }
    g_autofree char *said = NULL;
    g_autofree char *host = virConnectGetHostname(pair->destination);
    LibvirtProbe probe = libvirt_probe(pair->destination, xml, &said);
    if (probe == LIBVIRT_PROBE_UNKNOWN) {
        g_message("cannot tell whether Postlude's hook is at work on %s (%s); "
                  "the sender will notice",
                  host, said);
    }
    return probe != LIBVIRT_PROBE_MISSING ||
           error_set(error, ERROR_UNSUPPORTED,
                     "Postlude's hook is not at work on %s: install "
                     "/etc/libvirt/hooks/qemu.d/postlude there, then restart "
                     "libvirtd (or virtqemud), which looks for hooks only when "
                     "it starts",
                     host);
}

bool
libvirt_pair_open(LibvirtPair *pair, const LibvirtOptions *options,
                  GError **error)
{
    return libvirt_daemon_init(error) && open_source(pair, options, error) &&
           open_destination(pair, options, error);
}
