/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Findings of a check, for a person.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* Prints them, a line each and one for the remedy. False if anything essential
 * is missing. */
bool cli_findings_print(const GPtrArray *findings);
