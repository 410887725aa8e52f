/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A domain of libvirt and its XML: what it lacks, what the destination is told
 * of it, and that nothing of it is left there.
 */
#pragma once

#include "libvirt/libvirt-daemon.h"
#include "libvirt/libvirt-options.h"
#include "libvirt/libvirt-prepare.h"

/* The running DOMAIN can be moved; else UNSUPPORTED or STATE with the remedy.
 * PREPARE gets what it has. */
bool libvirt_guest_check(virDomainPtr domain, LibvirtPrepare *prepare,
                         GError **error);

/* Puts what is missing into the persistent definition; *TEXT (owned) is what to
 * say of it. */
bool libvirt_guest_prepare(virDomainPtr domain, char **text, GError **error);

/* What the destination shall start: the domain, or the file that OPTIONS name,
 * and in its metadata where the sender is. HOSTNAME is the one in its
 * certificate, or NULL: that of ADDRESS. Owned. */
char *libvirt_guest_dest_xml(virDomainPtr domain,
                             const LibvirtOptions *options,
                             const char *address, const char *hostname,
                             const char *token, GError **error);

/* What the destination shall keep; *XML is NULL if libvirt's own choice is
 * right. Owned. */
bool libvirt_guest_persist_xml(virDomainPtr domain,
                               const LibvirtOptions *options, char **xml,
                               GError **error);

/* Takes address and token out of what HOST has of the domain UUID, running and
 * defined. */
bool libvirt_guest_tidy(virConnectPtr host, const char *uuid, GError **error);
