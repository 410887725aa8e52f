/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A fault proxy of a test: its process, and the line of orders to it. What can
 * be ordered is in fault-order.h. Main thread only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "tests/support/vm-child.h"

typedef struct VmProxy VmProxy;

/* Listens on LISTEN ("127.0.0.1:PORT", "unix:PATH") and passes on to TARGET.
 * SEED is of its jitter. Back when it listens. */
VmProxy *vm_proxy_start(const char *listen, const char *target, unsigned seed,
                        GError **error);

/* The same on a free port of 127.0.0.1, before TARGET_PORT. */
VmProxy *vm_proxy_start_before(unsigned target_port, unsigned seed,
                               GError **error);
void vm_proxy_free(VmProxy *proxy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmProxy, vm_proxy_free)

/* Where it listens. */
const char *vm_proxy_address(const VmProxy *proxy);

/* Gives one order; *MET (may be NULL): to how many connections it was done. */
bool vm_proxy_order(VmProxy *proxy, const char *order, unsigned *met,
                    GError **error);

/* What it tells of itself: NAME is a role ("bulk": connections that carry
 * bytes both ways), "links" (all that hold a socket), "accepted", "failed",
 * "to-source", "to-destination" (bytes, of links that are left). */
bool vm_proxy_look(VmProxy *proxy, const char *name, uint64_t *value,
                   GError **error);

/* Waits until NAME is N. */
bool vm_proxy_wait(VmProxy *proxy, const char *name, uint64_t n,
                   int timeout_ms, GError **error);
