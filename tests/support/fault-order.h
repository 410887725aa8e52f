/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the fault proxy can be told to do, one line of words per order:
 *
 *   cut HOW WHO                  HOW: rst (a reset) or fin (an orderly end)
 *   cut-after HOW WHO WAY N      each, N bytes from now on in direction WAY
 *   swallow WHO WAY              half open: sockets stay, bytes vanish
 *   delay WHO WAY MS [JITTER]    from now on, for later connections as well
 *   throttle WHO WAY RATE        bytes a second for each connection; 0: none
 *   refuse MS                    nobody listens for this long
 *   deaf MS                      callers are connected, but not heard
 *   heal                         ends delays, throttles, refuse and deaf
 *   look                         changes nothing
 *
 *   WHO: all, control, device, urgent, bulk or bulk:INDEX.
 *   WAY: both, to-source or to-destination.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "wire/wire-proto.h"

/* The two ends: the destination dials, the source listens. */
typedef enum { FAULT_DESTINATION, FAULT_SOURCE, FAULT_SIDES } FaultSide;

typedef enum {
    FAULT_CUT,
    FAULT_CUT_AFTER,
    FAULT_SWALLOW,
    FAULT_DELAY,
    FAULT_THROTTLE,
    FAULT_REFUSE,
    FAULT_DEAF,
    FAULT_HEAL,
    FAULT_LOOK,
} FaultVerb;

typedef enum { FAULT_RST, FAULT_FIN } FaultHow;

#define FAULT_ROLES (WIRE_ROLE_BULK + 1) /* 0: has not said HELLO yet */

typedef struct {
    FaultVerb verb;
    FaultHow how;
    bool roles[FAULT_ROLES];
    int index;               /* of a bulk connection; -1: any */
    bool from[FAULT_SIDES];  /* WAY, by the side the bytes come from */
    uint64_t n;              /* MS, N or RATE */
    unsigned jitter_ms;
} FaultOrder;

/* USAGE if LINE is no order. */
bool fault_order_parse(const char *line, FaultOrder *order, GError **error);

/* "control" and so on; "none" for 0. */
const char *fault_order_role_name(unsigned role);
