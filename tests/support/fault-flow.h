/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One direction of a connection through the fault proxy: bytes that were read
 * at one end wait here until they are old enough and the rate allows them at
 * the other. Knows no role and no fault but being swallowed.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* How a direction is made worse; all zeros is a perfect line. */
typedef struct {
    unsigned delay_ms;
    unsigned jitter_ms;     /* 0 to this much more, drawn for each read */
    uint64_t bytes_per_s;   /* 0: no limit */
} FaultWeather;

/* A HELLO: it says whose bytes these are. */
#define FAULT_FLOW_HEAD_BYTES 32

typedef struct {
    GQueue chunks;          /* in order of their due times */
    size_t queued_bytes;
    uint64_t last_due_ns;   /* bytes do not overtake each other */
    uint64_t next_ns;       /* the rate allows nothing before */
    uint64_t passed_bytes;  /* given to the other end */
    uint64_t cut_at;        /* of passed_bytes: stop exactly there; 0: never */
    bool swallow;           /* what comes vanishes, the end of it too */
    bool ended;             /* nothing more can be read */
    bool told;              /* and the other end knows */
    uint8_t head[FAULT_FLOW_HEAD_BYTES]; /* what came first, ... */
    size_t head_bytes;                   /* ... this much of it so far */
} FaultFlow;

typedef enum {
    FAULT_FLOW_ON,
    FAULT_FLOW_CUT,   /* cut_at was reached */
    FAULT_FLOW_BROKEN /* the descriptor is dead */
} FaultFlowState;

void fault_flow_init(FaultFlow *flow);
void fault_flow_clear(FaultFlow *flow);

/* From now on (and what waits here, too) everything vanishes. */
void fault_flow_swallow(FaultFlow *flow);

/* True if it has room for more and more may come. */
bool fault_flow_wants_read(const FaultFlow *flow);

/* True if something is due by NOW_NS, or the end is to be told. Else *WAKE_NS
 * is lowered to when that will be so, if ever. */
bool fault_flow_wants_write(const FaultFlow *flow, uint64_t now_ns,
                            uint64_t *wake_ns);

/* Takes what FD has. BROKEN: a reset. */
FaultFlowState fault_flow_read(FaultFlow *flow, int fd,
                               const FaultWeather *weather, GRand *dice,
                               uint64_t now_ns);

/* Gives FD what is due. */
FaultFlowState fault_flow_write(FaultFlow *flow, int fd,
                                const FaultWeather *weather, uint64_t now_ns);
