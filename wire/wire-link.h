/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One connected stream between two hosts, plain or TLS: bytes and frames in and
 * out. A link may be read by one thread and written by another;
 * wire_link_shutdown() may be called from anywhere and makes both return
 * PEER_GONE.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "wire/wire-address.h"
#include "wire/wire-frame.h"

/* How long a peer may be silent in the middle of a frame (PEER_GONE) or of a
 * greeting (PROTOCOL). */
#define WIRE_LINK_PATIENCE_MS 10000

typedef struct WireLink WireLink;

/* Takes FD over. */
WireLink *wire_link_new(int fd);
void wire_link_free(WireLink *link);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WireLink, wire_link_free)

/* Dials ADDRESS, with TLS if it has credentials, and exchanges HELLO and
 * WELCOME. SESSION is shown, and for a control connection filled with what the
 * source gave. The source's refusal comes as PROTOCOL with its reason. */
WireLink *wire_link_dial(const WireAddress *address, WireRole role,
                         unsigned index, uint8_t session[WIRE_SESSION_BYTES],
                         GError **error);

/* The listener's half, on an accepted FD (taken over): the TLS handshake if
 * CREDS (NULL: plain text; they must outlive the link), then HELLO, all within
 * PATIENCE_MS. Plain text and TLS tell each other what is wrong. The caller
 * decides and then calls wire_link_welcome() or wire_link_reject(). */
WireLink *wire_link_accept(int fd, const WireTlsCreds *creds, int patience_ms,
                           WireHello *hello, GError **error);
bool wire_link_welcome(WireLink *link, const WireHello *hello,
                       const uint8_t session[WIRE_SESSION_BYTES],
                       GError **error);
void wire_link_reject(WireLink *link, WireStatus status, const char *reason);

/* Another limit than WIRE_LINK_PATIENCE_MS, before the link is used. */
void wire_link_set_patience(WireLink *link, int patience_ms);

/* For poll(), together with wire_link_has_pending(): what TLS has read ahead
 * does not make it readable. */
int wire_link_fd(const WireLink *link);

/* The address of the host at the other end, or "this host"; owned. */
char *wire_link_peer_host(const WireLink *link);
/* There is something to read although poll() may see nothing. For the thread
 * that reads. */
bool wire_link_has_pending(WireLink *link);

/* "plain text", or which TLS with whom; owned by the caller. */
char *wire_link_describe(WireLink *link);

/* Exactly BYTES, blocking without limit (the peer may have nothing to say). */
bool wire_link_read(WireLink *link, void *buffer, size_t bytes,
                    GError **error);
/* What is there, up to BYTES, without waiting: 0 if nothing, -1 with ERROR
 * (PEER_GONE at the end of the stream). */
ssize_t wire_link_read_some(WireLink *link, void *buffer, size_t bytes,
                            GError **error);
/* The same, but waits for the first byte (0 after a signal). */
ssize_t wire_link_read_next(WireLink *link, void *buffer, size_t bytes,
                            GError **error);
bool wire_link_write(WireLink *link, const void *buffer, size_t bytes,
                     GError **error);
/* As write, but more follows at once: the kernel may hold it back. */
bool wire_link_write_more(WireLink *link, const void *buffer, size_t bytes,
                          GError **error);
/* Sends BYTES of FILE from OFFSET, in plain text without copying them through
 * us, which saves nothing with TLS. sendfile()
 * has no MSG_NOSIGNAL: the process must ignore SIGPIPE, as ours does from
 * main() on. */
bool wire_link_send_file(WireLink *link, int file, uint64_t offset,
                         size_t bytes, GError **error);
void wire_link_shutdown(WireLink *link);
/* Ends our half; the other may go on. */
void wire_link_shutdown_write(WireLink *link);

/* Keeps little unsent data in the kernel (TCP_NOTSENT_LOWAT, Linux 3.12), so
 * that what is decided later overtakes what was decided earlier. */
void wire_link_keep_short(WireLink *link, unsigned unsent_bytes);

/* 0 of a link that is NULL. */
uint64_t wire_link_bytes_received(const WireLink *link);
uint64_t wire_link_bytes_sent(const WireLink *link);

/* Frames, for the control connection. Receiving waits without limit for the
 * header's first byte, then WIRE_LINK_PATIENCE_MS for the rest; sending waits
 * three times as long for a peer that takes nothing. PEER_GONE after that: the
 * link is of no use any more. */
bool wire_link_send_frame(WireLink *link, unsigned type,
                          const GByteArray *payload, GError **error);
bool wire_link_receive_frame(WireLink *link, unsigned *type,
                             GByteArray **payload, GError **error);
