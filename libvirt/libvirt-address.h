/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where the sender shall listen, so that the destination finds it and no two
 * migrations of this host get in each other's way.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Behind libvirt's own 49152-49215, which firewalls of such hosts know. */
#define LIBVIRT_ADDRESS_FIRST_PORT 49216
#define LIBVIRT_ADDRESS_PORTS 64

typedef struct {
    char *text; /* HOST:PORT or [V6]:PORT */
    int claim;  /* while it is open, no other migration takes this port */
} LibvirtAddress;

void libvirt_address_clear(LibvirtAddress *address);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LibvirtAddress, libvirt_address_clear)

/* WANTED is "HOST:PORT" (taken as it is), "HOST" or "[V6]" (a port is found),
 * or NULL: then the address from which PEER, a host name, would be reached.
 * USAGE, or FAILED if nothing suits. */
bool libvirt_address_choose(const char *wanted, const char *peer,
                            LibvirtAddress *address, GError **error);
