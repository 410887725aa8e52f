/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who we are and whom we believe: x509 files in the layout of QEMU and
 * libvirt, or a file of pre-shared keys in QEMU's format. Read once at the
 * start, so that later neither a changed file nor a lost privilege matters;
 * used by any number of connections at a time, on any thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#define WIRE_TLS_CREDS_DIRECTORY "/etc/pki/qemu"

typedef struct WireTlsCreds WireTlsCreds;

/* False in a build without GnuTLS, in which nothing below can be had. */
bool wire_tls_creds_are_built(void);

/* DIRECTORY holds ca-cert.pem, perhaps ca-crl.pem, and for who LISTENS
 * server-cert.pem and server-key.pem, else client-cert.pem and client-key.pem.
 * PEER: the name that the other side's certificate must bear; NULL, which only
 * a listener may, lets in everybody whom the authority has certified.
 * Fails with USAGE, naming the file and what is wrong with it; warns of what
 * the other side will not like (expired). */
WireTlsCreds *wire_tls_creds_x509(bool listens, const char *directory,
                                  const char *peer, GError **error);

/* FILE has lines of USER:KEY, KEY in hexadecimal, at least 16 bytes, as made by
 * psktool. A dialler shows the first; a listener takes all of them, or with
 * PEER that user alone. */
WireTlsCreds *wire_tls_creds_psk(bool listens, const char *file,
                                 const char *peer, GError **error);

void wire_tls_creds_free(WireTlsCreds *creds);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WireTlsCreds, wire_tls_creds_free)

/* "x509" or "psk". */
const char *wire_tls_creds_kind(const WireTlsCreds *creds);

/* For wire-tls.c: makes a new GnuTLS SESSION use CREDS. */
struct gnutls_session_int;
bool wire_tls_creds_equip(const WireTlsCreds *creds,
                          struct gnutls_session_int *session, GError **error);

/* Whether the other side of SESSION, whose handshake has succeeded, is the
 * one; the certificate's signature and dates have been checked by then. */
bool wire_tls_creds_accepts(const WireTlsCreds *creds,
                            struct gnutls_session_int *session,
                            GError **error);

/* What the other side is called, for messages; owned by the caller. */
char *wire_tls_creds_peer_name(struct gnutls_session_int *session);
