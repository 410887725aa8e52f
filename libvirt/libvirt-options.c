/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The options' end: see libvirt-options.h.
 */
#include "libvirt/libvirt-options.h"

void
libvirt_options_clear(LibvirtOptions *options)
{
    char **const texts[] = {
        &options->connect_uri,    &options->domain,
        &options->dest_uri,       &options->migrate_uri,
        &options->listen_address, &options->graphics_uri,
        &options->new_name,       &options->xml_file,
        &options->persistent_xml_file, &options->migrate_disks,
        &options->disks_uri,      &options->tls_destination,
        &options->listen,         &options->program,
        &options->tls_creds,      &options->tls_peer,
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_clear_pointer(texts[i], g_free);
    }
}
