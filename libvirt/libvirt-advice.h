/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a domain of libvirt lacks to be moved, for a person: looked at
 * ('postlude check --domain'), or put right ('postlude migrate --prepare').
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "migrate/check/migrate-check.h"

/* Adds to FINDINGS what the domain's definition has
 * and lacks and, if it runs, what its QEMU does. *LINES (owned) is XML to
 * paste and where to, "" if none. CHECKED, empty before, says what was looked
 * at. False if there was nothing to look at. */
bool libvirt_advice_look(const char *domain, MigrateChecked *checked,
                         GPtrArray *findings, char **lines, GError **error);

/* Puts into the definition what it lacks; *TEXT (owned) says what was done.
 * CONNECT may be NULL. */
bool libvirt_advice_prepare(const char *connect, const char *domain,
                            char **text, GError **error);
