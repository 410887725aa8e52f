/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Delay and rate: see fault-flow.h.
 */
#include "tests/support/fault-flow.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK_BYTES 65536
/* Small, so that a slow line is felt by the sender soon. A delayed line needs
 * room for what is under way: at most this in a round trip. */
#define QUEUE_BYTES (1u << 20)
/* A line at a rate may catch up on this much of being served late. */
#define BURST_NS 20000000u

typedef struct {
    uint64_t due_ns;
    size_t from, to; /* of BYTES, what is left */
    uint8_t bytes[];
} Chunk;

void
fault_flow_init(FaultFlow *flow)
{
    *flow = (FaultFlow){0};
    g_queue_init(&flow->chunks);
}

void
fault_flow_clear(FaultFlow *flow)
{
    g_queue_clear_full(&flow->chunks, g_free);
    flow->queued_bytes = 0;
}

void
fault_flow_swallow(FaultFlow *flow)
{
    fault_flow_clear(flow);
    flow->swallow = true;
}

bool
fault_flow_wants_read(const FaultFlow *flow)
{
    return !flow->ended && flow->queued_bytes < QUEUE_BYTES;
}

bool
fault_flow_wants_write(const FaultFlow *flow, uint64_t now_ns,
                       uint64_t *wake_ns)
{
    const Chunk *first = flow->chunks.head ? flow->chunks.head->data : NULL;
    if (!first) {
        return flow->ended && !flow->told && !flow->swallow;
    }
    uint64_t when = MAX(first->due_ns, flow->next_ns);
    if (when > now_ns) {
        *wake_ns = MIN(*wake_ns, when);
    }
    return when <= now_ns;
}

static void
keep_head(FaultFlow *flow, const uint8_t *bytes, size_t n)
{
    n = MIN(n, FAULT_FLOW_HEAD_BYTES - flow->head_bytes);
    memcpy(flow->head + flow->head_bytes, bytes, n);
    flow->head_bytes += n;
}

FaultFlowState
fault_flow_read(FaultFlow *flow, int fd, const FaultWeather *weather,
                GRand *dice, uint64_t now_ns)
{
    g_autofree Chunk *chunk = g_malloc(sizeof *chunk + CHUNK_BYTES);
    ssize_t got = recv(fd, chunk->bytes, CHUNK_BYTES, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return FAULT_FLOW_ON;
    }
    if (got <= 0) {
        flow->ended = true;
        return got < 0 ? FAULT_FLOW_BROKEN : FAULT_FLOW_ON;
    }
    keep_head(flow, chunk->bytes, (size_t)got);
    if (flow->swallow) {
        return FAULT_FLOW_ON;
    }
    uint64_t ms = weather->delay_ms;
    if (weather->jitter_ms > 0) {
        ms += g_rand_int(dice) % (weather->jitter_ms + 1);
    }
    chunk->due_ns = MAX(now_ns + ms * 1000000, flow->last_due_ns);
    flow->last_due_ns = chunk->due_ns;
    chunk->from = 0;
    chunk->to = (size_t)got;
    flow->queued_bytes += (size_t)got;
    g_queue_push_tail(&flow->chunks, g_steal_pointer(&chunk));
    return FAULT_FLOW_ON;
}

/* How much of CHUNK may go in one write. */
static size_t
portion(const FaultFlow *flow, const Chunk *chunk, const FaultWeather *weather)
{
    size_t bytes = chunk->to - chunk->from;
    if (weather->bytes_per_s) {
        bytes = MIN(bytes, MAX(weather->bytes_per_s / 100, 1));
    }
    if (flow->cut_at) {
        bytes = MIN(bytes, flow->cut_at - flow->passed_bytes);
    }
    return bytes;
}

static void
pay(FaultFlow *flow, size_t bytes, const FaultWeather *weather,
    uint64_t now_ns)
{
    if (weather->bytes_per_s) {
        uint64_t start = MAX(flow->next_ns, now_ns - BURST_NS);
        flow->next_ns = start + bytes * 1000000000u / weather->bytes_per_s;
    }
}

static FaultFlowState
write_first(FaultFlow *flow, int fd, const FaultWeather *weather,
            uint64_t now_ns)
{
    Chunk *chunk = flow->chunks.head->data;
    size_t bytes = portion(flow, chunk, weather);
    ssize_t put = send(fd, chunk->bytes + chunk->from, bytes,
                       MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0) {
        return errno == EAGAIN || errno == EINTR ? FAULT_FLOW_ON
                                                 : FAULT_FLOW_BROKEN;
    }
    pay(flow, (size_t)put, weather, now_ns);
    flow->passed_bytes += (uint64_t)put;
    flow->queued_bytes -= (size_t)put;
    chunk->from += (size_t)put;
    if (chunk->from == chunk->to) {
        g_free(g_queue_pop_head(&flow->chunks));
    }
    return flow->cut_at && flow->passed_bytes >= flow->cut_at ? FAULT_FLOW_CUT
                                                              : FAULT_FLOW_ON;
}

FaultFlowState
fault_flow_write(FaultFlow *flow, int fd, const FaultWeather *weather,
                 uint64_t now_ns)
{
    uint64_t never = UINT64_MAX;
    if (flow->chunks.head && fault_flow_wants_write(flow, now_ns, &never)) {
        return write_first(flow, fd, weather, now_ns);
    }
    if (!flow->chunks.head && flow->ended && !flow->told && !flow->swallow) {
        flow->told = true;
        shutdown(fd, SHUT_WR);
    }
    return FAULT_FLOW_ON;
}
