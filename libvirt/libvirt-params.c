/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Options to flags and parameters: see libvirt-params.h.
 */
#include "libvirt/libvirt-params.h"

/* Never VIR_MIGRATE_POSTCOPY: QEMU refuses its own together with RAM that it
 * does not send, and the memory follows by us. Nor VIR_MIGRATE_TUNNELLED: for it
 * libvirt switches QEMU's return path off, and then nobody could say that the
 * devices have arrived. */
static unsigned
flags_of(const LibvirtOptions *o)
{
    const struct {
        gboolean wanted;
        unsigned flag;
    } table[] = {
        {TRUE, VIR_MIGRATE_LIVE},
        {o->p2p, VIR_MIGRATE_PEER2PEER},
        {o->persistent, VIR_MIGRATE_PERSIST_DEST},
        {o->undefine_source, VIR_MIGRATE_UNDEFINE_SOURCE},
        {o->copy_storage_all, VIR_MIGRATE_NON_SHARED_DISK},
        {o->copy_storage_inc, VIR_MIGRATE_NON_SHARED_INC},
        {o->copy_storage_synchronous,
         VIR_MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES},
        {o->change_protection, VIR_MIGRATE_CHANGE_PROTECTION},
        {o->unsafe, VIR_MIGRATE_UNSAFE},
        {o->abort_on_error, VIR_MIGRATE_ABORT_ON_ERROR},
        {o->tls, VIR_MIGRATE_TLS},
    };
    unsigned flags = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++) {
        flags |= table[i].wanted ? table[i].flag : 0;
    }
    return flags;
}

static void
add_text(LibvirtParams *params, const char *name, const char *value)
{
    if (value) {
        virTypedParamsAddString(&params->list, &params->n, &params->max,
                                name, value);
    }
}

static void
add_disks(LibvirtParams *params, const char *disks)
{
    g_auto(GStrv) names = g_strsplit(disks ? disks : "", ",", -1);
    for (char **name = names; *name; name++) {
        add_text(params, VIR_MIGRATE_PARAM_MIGRATE_DISKS, *name);
    }
}

void
libvirt_params_fill(LibvirtParams *params, const LibvirtOptions *o,
                    const char *dest_xml, const char *persist_xml)
{
    *params = (LibvirtParams){.flags = flags_of(o)};
    add_text(params, VIR_MIGRATE_PARAM_DEST_XML, dest_xml);
    add_text(params, VIR_MIGRATE_PARAM_PERSIST_XML, persist_xml);
    add_text(params, VIR_MIGRATE_PARAM_URI, o->migrate_uri);
    add_text(params, VIR_MIGRATE_PARAM_DEST_NAME, o->new_name);
    add_text(params, VIR_MIGRATE_PARAM_LISTEN_ADDRESS, o->listen_address);
    add_text(params, VIR_MIGRATE_PARAM_GRAPHICS_URI, o->graphics_uri);
    add_text(params, VIR_MIGRATE_PARAM_DISKS_URI, o->disks_uri);
    add_text(params, VIR_MIGRATE_PARAM_TLS_DESTINATION, o->tls_destination);
    add_disks(params, o->migrate_disks);
    if (o->disks_port > 0) {
        virTypedParamsAddInt(&params->list, &params->n, &params->max,
                             VIR_MIGRATE_PARAM_DISKS_PORT, o->disks_port);
    }
    if (o->bandwidth_mib > 0) {
        virTypedParamsAddULLong(&params->list, &params->n, &params->max,
                                VIR_MIGRATE_PARAM_BANDWIDTH,
                                (unsigned long long)o->bandwidth_mib);
    }
}

void
libvirt_params_clear(LibvirtParams *params)
{
    virTypedParamsFree(params->list, params->n);
    *params = (LibvirtParams){0};
}
