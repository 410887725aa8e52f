/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * 'postlude migrate': libvirt's migration and our sender, side by side. This
 * file is the story; what each does is in libvirt-job and libvirt-sender.
 */
#pragma once

#include <stdbool.h>

#include "libvirt/libvirt-options.h"

/* Moves the domain. Returns what to exit with (libvirt-verdict.h); with --json
 * one object was printed by then, however it went. ERROR is set unless it is
 * 0. */
int libvirt_move(const LibvirtOptions *options, GError **error);
