/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What 'postlude migrate' was asked for. Those that virsh has as well carry its
 * names and go to libvirt as they are.
 */
#pragma once

#include <glib.h>

typedef struct {
    char *connect_uri; /* NULL: libvirt's default */
    char *domain, *dest_uri;

    /* for libvirt */
    gboolean p2p, persistent, undefine_source;
    gboolean change_protection, unsafe, abort_on_error;
    gboolean copy_storage_all, copy_storage_inc, copy_storage_synchronous;
    char *migrate_uri, *listen_address, *graphics_uri, *new_name;
    char *xml_file, *persistent_xml_file;
    char *migrate_disks, *disks_uri, *tls_destination;
    int disks_port, bandwidth_mib;

    /* for the sender */
    char *listen, *tls_creds, *tls_peer;
    int streams, peer_timeout_s;
    gboolean insecure, tls;

    /* for us */
    char *program; /* postlude itself */
    int timeout_s; /* for the guest to run on the destination; 0: none */
    gboolean json;
} LibvirtOptions;

/* Those for libvirt as a command line has them: GOptionEntry, appended to
 * ENTRIES, which write into OPTIONS. */
void libvirt_options_add(LibvirtOptions *options, GArray *entries);

void libvirt_options_clear(LibvirtOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LibvirtOptions, libvirt_options_clear)
