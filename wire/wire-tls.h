/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * TLS 1.3 over one connected socket: what wire-link does with bytes, done with
 * records. One thread may read while another writes. Every call into GnuTLS is
 * made under one lock, and none of them waits: waiting for the socket is done
 * outside it. So post-handshake messages (a request for new keys changes both
 * directions) never meet a second thread, and a writer that the peer does not
 * read from does not keep the reader out.
 */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "wire/wire-tls-creds.h"

/* The first byte of every TLS connection (a handshake record, RFC 8446,
 * section 5.1). No plain connection of ours begins with it. */
#define WIRE_TLS_FIRST_BYTE 0x16

/* What a peer may send before it has proved who it is: a chain of large
 * certificates fits four times. */
#define WIRE_TLS_HANDSHAKE_BYTES (64u * 1024)

typedef struct WireTls WireTls;

/* The whole handshake on a connected FD, which stays the caller's and must
 * outlive the result, as CREDS must. PEER_GONE if the other side hangs up,
 * PROTOCOL with the reason in words if either does not accept the other, says
 * nothing until DEADLINE_NS or says too much. */
WireTls *wire_tls_accept(int fd, const WireTlsCreds *creds,
                         uint64_t deadline_ns, GError **error);
WireTls *wire_tls_dial(int fd, const WireTlsCreds *creds, uint64_t deadline_ns,
                       GError **error);
void wire_tls_free(WireTls *tls);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WireTls, wire_tls_free)

/* Bytes have been taken from the socket and not yet been asked for: there may
 * be something to read although poll() sees nothing. For the reading thread. */
bool wire_tls_has_pending(WireTls *tls);

/* Exactly BYTES; RETRY if DEADLINE_NS (0: none) passes before. */
bool wire_tls_read(WireTls *tls, void *buffer, size_t bytes,
                   uint64_t deadline_ns, GError **error);

/* What is there, up to BYTES: 0 if nothing, -1 with ERROR (PEER_GONE at the
 * end). Never waits. */
ssize_t wire_tls_read_some(WireTls *tls, void *buffer, size_t bytes,
                           GError **error);

/* All BYTES; with MORE the kernel may hold the last of them back. */
bool wire_tls_write(WireTls *tls, const void *buffer, size_t bytes, bool more,
                    uint64_t deadline_ns, GError **error);

/* Tells the peer that no more will come, if there is room to tell it. */
void wire_tls_end(WireTls *tls);

/* "TLS 1.3 ... with NAME"; owned by the caller. */
char *wire_tls_describe(WireTls *tls);
