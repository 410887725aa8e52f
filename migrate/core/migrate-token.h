/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The token of one migration: 16 random bytes that both sides were given by
 * whoever started them, so that nobody else gets the guest. It is the session
 * that a control connection has to show, the first one and any that comes back
 * after an outage, so it counts as long as the source lives. Kept in a file, as 32
 * hexadecimal digits, because arguments can be read by every user of the host.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "wire/wire-proto.h"

#define MIGRATE_TOKEN_DIGITS (2 * WIRE_SESSION_BYTES)

/* Reads PATH. USAGE if it is not a token's file, or if others may read it. */
bool migrate_token_read(const char *path, uint8_t token[WIRE_SESSION_BYTES],
                        GError **error);

/* A new token in the new file PATH (mode 0600); returns its digits. */
char *migrate_token_make(const char *path, GError **error);

/* The session of a source: the token in PATH, or random bytes if it is NULL. */
bool migrate_token_session(const char *path,
                           uint8_t session[WIRE_SESSION_BYTES],
                           GError **error);
