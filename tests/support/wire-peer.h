/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A peer of postlude that a test plays by hand: dials or listens on loopback,
 * says what no honest peer would say. Main thread only; everything has a
 * deadline, so a helper that hangs fails the test.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "wire/wire-frame.h"

#define WIRE_PEER_PATIENCE_MS 30000

/* A listening descriptor on 127.0.0.1 and its PORT. */
int wire_peer_listen(unsigned *port);

/* The next caller. */
int wire_peer_accept(int listener);

int wire_peer_dial(unsigned port);

/* Never fails: who is talked to may have hung up already. */
void wire_peer_write(int fd, const void *bytes, size_t n);
void wire_peer_text(int fd, const char *text);

/* Exactly N bytes. False if the other end closed before. */
bool wire_peer_read(int fd, void *bytes, size_t n);

/* Reads until the other end closes. */
void wire_peer_drain(int fd);

void wire_peer_say_hello(int fd, WireRole role, unsigned version,
                         const uint8_t session[WIRE_SESSION_BYTES]);
/* Fails the test if it is none. */
WireWelcome wire_peer_hear_welcome(int fd);
WireHello wire_peer_hear_hello(int fd);
void wire_peer_say_welcome(int fd, unsigned version, WireStatus status);

/* A header that says LENGTH, then the N bytes of PAYLOAD. */
void wire_peer_say_frame(int fd, unsigned type, size_t length,
                         const void *payload, size_t n);
/* Fails the test if the next frame is of another type. Payload: caller's. */
GByteArray *wire_peer_hear_frame(int fd, unsigned type);
