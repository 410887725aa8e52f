/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What people are used to type after 'virsh migrate' and 'postlude migrate' has
 * no use for: each is refused with the reason and what to do instead, or taken
 * for what is done anyway (--live).
 */
#pragma once

#include <glib.h>

/* As a command line has them, but for the help: GOptionEntry, appended to
 * ENTRIES. Must live as long as ENTRIES does: static. */
void libvirt_virsh_add(GArray *entries);

/* Why virsh's option NAME (with its dashes) is refused; NULL if it is not. */
const char *libvirt_virsh_refusal(const char *name);
