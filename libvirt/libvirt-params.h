/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What 'postlude migrate' was asked for, as libvirt's migration takes it: flags
 * and typed parameters. Nothing here calls a daemon,
 * but the library has to have been initialized.
 */
#pragma once

#include <glib.h>
#include <libvirt/libvirt.h>

#include "libvirt/libvirt-options.h"

typedef struct {
    unsigned flags;
    virTypedParameterPtr list;
    int n, max;
} LibvirtParams;

/* DEST_XML and PERSIST_XML are copied; the latter may be NULL. */
void libvirt_params_fill(LibvirtParams *params, const LibvirtOptions *options,
                         const char *dest_xml, const char *persist_xml);

void libvirt_params_clear(LibvirtParams *params);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LibvirtParams, libvirt_params_clear)
