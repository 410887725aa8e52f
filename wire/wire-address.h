/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where to listen or dial, HOST:PORT, [V6]:PORT or unix:PATH, and with which
 * credentials.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "wire/wire-tls-creds.h"

typedef struct WireAddress WireAddress;

/* USAGE if TEXT is none of the three forms; PEER_GONE if HOST cannot be
 * resolved (blocks on the resolver). */
WireAddress *wire_address_parse(const char *text, GError **error);
/* The same without asking the resolver, if KNOWN is not NULL: what
 * wire_address_known() said of it earlier. */
WireAddress *wire_address_parse_known(const char *text, const char *known,
                                      GError **error);
void wire_address_free(WireAddress *address);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WireAddress, wire_address_free)

/* True if nothing but this host can be meant: a UNIX socket, or a name whose
 * every address is loopback. */
bool wire_address_is_local(const WireAddress *address);

const char *wire_address_text(const WireAddress *address);

/* The HOST, or NULL for a UNIX socket. */
const char *wire_address_host(const WireAddress *address);

/* What the name HOST stands for; NULL if it is no name. Owned by ADDRESS. */
const char *wire_address_known(const WireAddress *address);

/* From now on who is dialled there has to speak TLS and satisfy CREDS, which
 * are taken over and must outlive the connections, as ADDRESS must then. */
void wire_address_protect(WireAddress *address, WireTlsCreds *creds);

/* Those credentials, or NULL: plain text. */
const WireTlsCreds *wire_address_creds(const WireAddress *address);

/* A listening descriptor (close-on-exec), or -1. An old UNIX socket file that
 * nobody listens on is replaced; one in use is not. */
int wire_address_listen(const WireAddress *address, GError **error);

/* A connected descriptor, or -1 with PEER_GONE. One attempt per address. */
int wire_address_dial(const WireAddress *address, GError **error);

/* Removes the file of a UNIX address; nothing for TCP. */
void wire_address_unlink(const WireAddress *address);
