/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Paths of the command line. They become absolute while they are parsed: later
 * a confined helper stands in another directory and another root, its successor
 * stands wherever it was started, and both have to find the same file.
 */
#pragma once

#include <glib.h>

/* *PATH (owned, or NULL) as seen from the root. Links and ".." behind the first
 * name stay as they are: what they mean is the kernel's business. */
void cli_path_make_absolute(char **path);

/* The same for what stands behind "unix:" in *ADDRESS; any other address stays
 * as it is. */
void cli_path_make_address_absolute(char **address);

/* The same for every file name that ENTRIES (up to {0}) have taken. */
void cli_path_make_all_absolute(const GOptionEntry *entries);
