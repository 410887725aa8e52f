/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a domain needs in its XML before Postlude can move it: RAM in a shared,
 * aligned file, and a monitor that is not libvirt's. Looks for it, and puts it
 * in. Text in, text out; nothing here calls libvirt.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    char *name, *uuid;
    char *monitor; /* path of the second monitor's socket, or NULL */
    uint64_t bytes; /* QEMU's -m, from <memory>; 0: not to be understood */
    char *ram_id;  /* what <qemu:commandline> makes the machine's RAM, or NULL */
    char *ram_lack; /* what is wrong with that, NULL if nothing */
    char *obstacle; /* why it can never be moved by us as it is, or NULL */
} LibvirtPrepare;

void libvirt_prepare_clear(LibvirtPrepare *prepare);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LibvirtPrepare, libvirt_prepare_clear)

/* Looks at a <domain>. PROTOCOL if XML is none. */
bool libvirt_prepare_look(const char *xml, LibvirtPrepare *prepare,
                          GError **error);

/* True if postlude can move a domain that was started from this XML. */
bool libvirt_prepare_is_ready(const LibvirtPrepare *prepare);

/* XML with what is missing put in, all else as it was. The same text if nothing
 * is missing: twice is once. NULL with UNSUPPORTED and the obstacle if it
 * cannot be done. Owned by the caller. */
char *libvirt_prepare_domain(const char *xml, GError **error);

/* What a person has to paste for the same end, and where to; errors as there.
 * "" if nothing is missing. Owned by the caller. */
char *libvirt_prepare_lines(const char *xml, GError **error);
