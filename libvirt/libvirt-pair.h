/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The two daemons of a migration and the domain between them, as far as they
 * can be looked at before anything moves.
 */
#pragma once

#include "libvirt/libvirt-daemon.h"
#include "libvirt/libvirt-options.h"
#include "libvirt/libvirt-prepare.h"

typedef struct {
    virConnectPtr source, destination; /* the latter NULL: not reachable */
    virDomainPtr domain;
    char uuid[VIR_UUID_STRING_BUFLEN];
    LibvirtPrepare prepare;
} LibvirtPair;

/* Opens both; the domain runs here and can be moved. What was opened is the
 * caller's to clear, also on failure. */
bool libvirt_pair_open(LibvirtPair *pair, const LibvirtOptions *options,
                       GError **error);
void libvirt_pair_clear(LibvirtPair *pair);

/* The destination's daemon can be talked to: a connection that broke since is
 * made anew, unless a call that uses it is still under way (the caller knows).
 * FAILED: it cannot, or never could. */
bool libvirt_pair_reach_destination(LibvirtPair *pair,
                                    const LibvirtOptions *options,
                                    GError **error);

/* False only if Postlude's hook is certainly not at work on the destination. */
bool libvirt_pair_ask_for_hook(LibvirtPair *pair, GError **error);
