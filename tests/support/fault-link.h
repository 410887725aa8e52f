/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One connection through the fault proxy: the destination's socket, the
 * source's, a flow each way, and which of the protocol's connections it is,
 * as its HELLO says.
 */
#pragma once

#include <poll.h>

#include "tests/support/fault-flow.h"
#include "tests/support/fault-order.h"

typedef struct {
    int fd[FAULT_SIDES];
    FaultFlow flow[FAULT_SIDES]; /* by the side the bytes come from */
    FaultHow cut_how;            /* of a flow's cut_at */
    uint64_t closing_ns;         /* after an orderly end: when to close */
    unsigned role, index;        /* 0 until HELLO has been seen */
} FaultLink;

/* How each role's connections are made worse. */
typedef FaultWeather FaultClimate[FAULT_ROLES][FAULT_SIDES];

/* Takes both descriptors over. */
FaultLink *fault_link_new(int destination, int source);
void fault_link_free(FaultLink *link);

/* True once nothing is left of it but to be freed. */
bool fault_link_is_over(const FaultLink *link);

bool fault_link_is_meant(const FaultLink *link, const FaultOrder *order);

/* RST: both ends see a reset at once. FIN: both see the end of the stream,
 * and a reset if they go on talking. What was under way is lost. */
void fault_link_cut(FaultLink *link, FaultHow how);

/* Cuts, swallows, arms a later cut; the other verbs are not for a link. */
void fault_link_obey(FaultLink *link, const FaultOrder *order);

/* What to wait for; *WAKE_NS is lowered to when time itself is awaited. */
void fault_link_prepare(FaultLink *link, struct pollfd pfd[FAULT_SIDES],
                        uint64_t now_ns, uint64_t *wake_ns);

void fault_link_serve(FaultLink *link, const struct pollfd pfd[FAULT_SIDES],
                      FaultClimate climate, GRand *dice, uint64_t now_ns);
