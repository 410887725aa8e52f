/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Is Postlude's hook at work on the destination? libvirt reads its hook
 * directory once, when the daemon starts, so that the file is there is not
 * enough, and libvirt has no call that asks.
 */
#pragma once

#include "libvirt/libvirt-daemon.h"

/* The hook knows the domain by this name, and gives this answer. */
#define LIBVIRT_PROBE_NAME "postlude-probe"
#define LIBVIRT_PROBE_ANSWER "postlude hook ready"

typedef enum {
    LIBVIRT_PROBE_READY,
    LIBVIRT_PROBE_MISSING,
    LIBVIRT_PROBE_UNKNOWN, /* libvirt refused to try for another reason */
} LibvirtProbe;

/* Asks HOST by a domain that cannot start: with the hook, the hook refuses it
 * and says who it is; without, QEMU does not know one of its arguments. The
 * domain of DOMAIN_XML tells which QEMU HOST would run. *WHY (owned) is what
 * libvirt said. */
LibvirtProbe libvirt_probe(virConnectPtr host, const char *domain_xml,
                           char **why);
