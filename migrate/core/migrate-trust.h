/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * With whom we talk: which credentials the options ask for, and which
 * addresses may be used without any.
 */
#pragma once

#include "migrate/core/migrate-options.h"
#include "wire/wire-address.h"

/* USAGE if the TLS options contradict each other, or this build has no TLS. */
bool migrate_trust_check(const MigrateOptions *options, GError **error);

/* The address of OPTIONS with its credentials; owned by the caller. USAGE if
 * those cannot be used, or if other hosts can reach the address and neither TLS
 * nor
 * --insecure was asked for. */
WireAddress *migrate_trust_address(const MigrateOptions *options,
                                   GError **error);

/* "x509" or "psk", NULL without TLS. ADDRESS may be NULL. */
const char *migrate_trust_kind(const WireAddress *address);
