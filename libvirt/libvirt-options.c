/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The options' table and their end: see libvirt-options.h.
 */
#include "libvirt/libvirt-options.h"

static void
add_flags(LibvirtOptions *o, GArray *all)
{
    const GOptionEntry entries[] = {
        {"p2p", 0, 0, G_OPTION_ARG_NONE, &o->p2p,
         "The two daemons talk to each other", NULL},
        {"persistent", 0, 0, G_OPTION_ARG_NONE, &o->persistent,
         "Define the domain on the destination", NULL},
        {"undefinesource", 0, 0, G_OPTION_ARG_NONE, &o->undefine_source,
         "Undefine it on the source", NULL},
        {"change-protection", 0, 0, G_OPTION_ARG_NONE, &o->change_protection,
         "No changes of its configuration meanwhile", NULL},
        {"unsafe", 0, 0, G_OPTION_ARG_NONE, &o->unsafe,
         "Even if libvirt holds it unsafe", NULL},
        {"abort-on-error", 0, 0, G_OPTION_ARG_NONE, &o->abort_on_error,
         "Give up on soft errors", NULL},
        {"copy-storage-all", 0, 0, G_OPTION_ARG_NONE, &o->copy_storage_all,
         "Copy disks", NULL},
        {"copy-storage-inc", 0, 0, G_OPTION_ARG_NONE, &o->copy_storage_inc,
         "Copy disks, except for a backing file that both have", NULL},
        {"copy-storage-synchronous-writes", 0, 0, G_OPTION_ARG_NONE,
         &o->copy_storage_synchronous, "Guest writes wait for the copy", NULL},
    };
    g_array_append_vals(all, entries, G_N_ELEMENTS(entries));
}

static void
add_values(LibvirtOptions *o, GArray *all)
{
    const GOptionEntry entries[] = {
        {"migrateuri", 0, 0, G_OPTION_ARG_STRING, &o->migrate_uri,
         "Where QEMU connects to", "URI"},
        {"listen-address", 0, 0, G_OPTION_ARG_STRING, &o->listen_address,
         "Where the destination's QEMU listens", "ADDRESS"},
        {"graphicsuri", 0, 0, G_OPTION_ARG_STRING, &o->graphics_uri,
         "Where graphics clients are sent", "URI"},
        {"dname", 0, 0, G_OPTION_ARG_STRING, &o->new_name,
         "Another name on the destination", "NAME"},
        {"xml", 0, 0, G_OPTION_ARG_FILENAME, &o->xml_file,
         "What the destination starts", "FILE"},
        {"persistent-xml", 0, 0, G_OPTION_ARG_FILENAME,
         &o->persistent_xml_file, "What the destination defines", "FILE"},
        {"migrate-disks", 0, 0, G_OPTION_ARG_STRING, &o->migrate_disks,
         "Which disks to copy", "A,B"},
        {"disks-uri", 0, 0, G_OPTION_ARG_STRING, &o->disks_uri,
         "Where disks are copied to", "URI"},
        {"disks-port", 0, 0, G_OPTION_ARG_INT, &o->disks_port,
         "At which port", "N"},
        {"bandwidth", 0, 0, G_OPTION_ARG_INT, &o->bandwidth_mib,
         "Limit of libvirt's own part", "MIB/S"},
        {"tls-destination", 0, 0, G_OPTION_ARG_STRING, &o->tls_destination,
         "The destination's name in its certificate", "NAME"},
    };
    g_array_append_vals(all, entries, G_N_ELEMENTS(entries));
}

void
libvirt_options_add(LibvirtOptions *options, GArray *entries)
{
    add_flags(options, entries);
    add_values(options, entries);
}

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
