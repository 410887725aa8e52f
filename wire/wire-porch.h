/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The porch before a listening socket: where callers stand until they have
 * proved themselves and said HELLO. Each is greeted by a thread of its own, so
 * that who is slow or silent keeps nobody else waiting, least of all the main
 * thread. Strangers cost no more than the limits below, however many they are.
 */
#pragma once

#include "wire/wire-link.h"

/* Callers that stand there at a time; more wait in the kernel's queue. */
#define WIRE_PORCH_CALLERS 16

/* When all places are taken, who has stood there longest has to go for the
 * next; but nobody before this, so that even under a flood an honest caller
 * has the time to shake hands. Who fails at once makes room at once: the limit
 * is on callers at a time, not on callers in a time. */
#define WIRE_PORCH_GRACE_MS 1000

typedef struct WirePorch WirePorch;

/* Starts greeting. LISTENER and CREDS (NULL: plain text) are borrowed and must
 * outlive the porch, CREDS also the links. A caller has PATIENCE_MS for
 * everything up to the last byte of HELLO. NULL if there is no thread or
 * descriptor to be had. */
WirePorch *wire_porch_open(int listener, const WireTlsCreds *creds,
                           int patience_ms, GError **error);

/* Sends all away who still stand there. */
void wire_porch_close(WirePorch *porch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(WirePorch, wire_porch_close)

/* Readable while somebody is to be taken. */
int wire_porch_fd(const WirePorch *porch);

/* The one who said HELLO first, to be welcomed or rejected; NULL if there is
 * none (any more: who has hung up meanwhile is left out). */
WireLink *wire_porch_take(WirePorch *porch, WireHello *hello);
