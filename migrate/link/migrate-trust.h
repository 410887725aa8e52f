/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * With whom we talk: which credentials the options ask for, and which
 * addresses may be used without any.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* USAGE if the TLS options contradict each other, or this build has no TLS. */
bool migrate_trust_check(const MigrateOptions *options, GError **error);

/* Parses the address of SESSION's options and gives it its credentials. Fails
 * with USAGE if those cannot be used, or if other hosts can reach the address
 * and neither TLS nor --insecure was asked for. */
bool migrate_trust_take_address(MigrateSession *session, GError **error);

/* "x509" or "psk", NULL without TLS. */
const char *migrate_trust_kind(const MigrateSession *session);
