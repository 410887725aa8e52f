/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A connection between two ends of which either may die, and the other must
 * hear of it exactly if the network would have carried the news.
 */
#include "tests/support/fault-link.h"

#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"

/* Little in the kernel: what a cut loses and a slow line holds back should
 * be ours to decide. */
#define BUFFER_BYTES (256 * 1024)
#define CLOSE_AFTER_MS 100

FaultLink *
fault_link_new(int destination, int source)
{
    FaultLink *link = g_new0(FaultLink, 1);
    link->fd[FAULT_DESTINATION] = destination;
    link->fd[FAULT_SOURCE] = source;
    for (unsigned i = 0; i < FAULT_SIDES; i++) {
        int bytes = BUFFER_BYTES;
        fault_flow_init(&link->flow[i]);
        setsockopt(link->fd[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof bytes);
        setsockopt(link->fd[i], SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
    }
    return link;
}

void
fault_link_free(FaultLink *link)
{
    for (unsigned i = 0; i < FAULT_SIDES; i++) {
        fault_flow_clear(&link->flow[i]);
        fd_clear(&link->fd[i]);
    }
    g_free(link);
}

bool
fault_link_is_over(const FaultLink *link)
{
    return link->fd[FAULT_DESTINATION] < 0 && link->fd[FAULT_SOURCE] < 0;
}

bool
fault_link_is_meant(const FaultLink *link, const FaultOrder *order)
{
    return !fault_link_is_over(link) && !link->closing_ns &&
           order->roles[link->role] &&
           (order->index < 0 || (int)link->index == order->index);
}

/* Linger of 0 makes close() a reset and drops what was not sent. */
static void
reset(int *fd)
{
    struct linger linger = {.l_onoff = 1};
    if (*fd >= 0) {
        setsockopt(*fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        fd_clear(fd);
    }
}

/* close() with unread bytes is a reset even if nobody asked for one, so an
 * orderly end is a shutdown and reading on for a while. */
void
fault_link_cut(FaultLink *link, FaultHow how)
{
    for (unsigned i = 0; i < FAULT_SIDES; i++) {
        fault_flow_swallow(&link->flow[i]);
        if (how == FAULT_RST) {
            reset(&link->fd[i]);
        } else if (link->fd[i] >= 0) {
            shutdown(link->fd[i], SHUT_WR);
        }
    }
    if (how == FAULT_FIN) {
        link->closing_ns = fd_deadline_ns(CLOSE_AFTER_MS);
    }
}

void
fault_link_obey(FaultLink *link, const FaultOrder *order)
{
    if (order->verb == FAULT_CUT) {
        fault_link_cut(link, order->how);
        return;
    }
    for (unsigned i = 0; i < FAULT_SIDES; i++) {
        FaultFlow *flow = &link->flow[i];
        if (!order->from[i]) {
            continue;
        }
        if (order->verb == FAULT_SWALLOW) {
            fault_flow_swallow(flow);
        } else if (order->verb == FAULT_CUT_AFTER) {
            link->cut_how = order->how;
            flow->cut_at = flow->passed_bytes + MAX(order->n, 1);
        }
    }
}

/* SIDE has closed or reset its end. Does the other hear of it? Not where the
 * way there is swallowed: that peer then talks to nobody. */
static void
side_died(FaultLink *link, FaultSide side)
{
    reset(&link->fd[side]);
    if (!link->flow[side].swallow) {
        fault_link_cut(link, FAULT_RST);
        return;
    }
    fault_flow_swallow(&link->flow[!side]);
}

static void
learn_role(FaultLink *link)
{
    const FaultFlow *flow = &link->flow[FAULT_DESTINATION];
    WireHelloBytes hello;
    G_STATIC_ASSERT(sizeof hello == FAULT_FLOW_HEAD_BYTES);
    if (link->role || flow->head_bytes < sizeof hello) {
        return;
    }
    memcpy(&hello, flow->head, sizeof hello);
    if (memcmp(hello.magic, WIRE_MAGIC, WIRE_MAGIC_BYTES) == 0 &&
        hello.role < FAULT_ROLES) {
        link->role = hello.role;
        link->index = hello.index;
    }
}

void
fault_link_prepare(FaultLink *link, struct pollfd pfd[FAULT_SIDES],
                   uint64_t now_ns, uint64_t *wake_ns)
{
    for (unsigned i = 0; i < FAULT_SIDES; i++) {
        const FaultFlow *in = &link->flow[i], *out = &link->flow[!i];
        short events = 0;
        if (fault_flow_wants_read(in)) {
            events |= POLLIN;
        }
        if (fault_flow_wants_write(out, now_ns, wake_ns)) {
            events |= POLLOUT;
        }
        /* Without anything wanted, poll() would still tell of a hang-up, over
         * and over. */
        pfd[i] = (struct pollfd){.fd = events ? link->fd[i] : -1,
                                 .events = events};
    }
    if (link->closing_ns) {
        *wake_ns = MIN(*wake_ns, link->closing_ns);
    }
}

/* The bytes from side I: in at their end, out at the other. */
static void
serve_flow(FaultLink *link, FaultSide i, const struct pollfd *pfd,
           FaultClimate climate, GRand *dice, uint64_t now_ns)
{
    FaultFlow *flow = &link->flow[i];
    const FaultWeather *weather = &climate[link->role][i];
    if (pfd[i].revents && link->fd[i] >= 0 && fault_flow_wants_read(flow) &&
        fault_flow_read(flow, link->fd[i], weather, dice, now_ns) ==
            FAULT_FLOW_BROKEN) {
        side_died(link, i);
        return;
    }
    if (link->fd[!i] < 0) {
        return;
    }
    FaultFlowState state =
        fault_flow_write(flow, link->fd[!i], weather, now_ns);
    if (state == FAULT_FLOW_BROKEN) {
        side_died(link, !i);
    } else if (state == FAULT_FLOW_CUT) {
        fault_link_cut(link, link->cut_how);
    }
}

/* An end that has closed for good, told or not, holds nothing open. */
static void
close_ended(FaultLink *link, uint64_t now_ns)
{
    bool over = true;
    for (unsigned i = 0; i < FAULT_SIDES; i++) {
        const FaultFlow *flow = &link->flow[i];
        over = over && (link->fd[i] < 0 ||
                        (flow->ended && (flow->told || flow->swallow)));
    }
    if (over || (link->closing_ns && now_ns >= link->closing_ns)) {
        fd_clear(&link->fd[FAULT_DESTINATION]);
        fd_clear(&link->fd[FAULT_SOURCE]);
    }
}

void
fault_link_serve(FaultLink *link, const struct pollfd pfd[FAULT_SIDES],
                 FaultClimate climate, GRand *dice, uint64_t now_ns)
{
    for (unsigned i = 0; i < FAULT_SIDES; i++) {
        serve_flow(link, i, pfd, climate, dice, now_ns);
        learn_role(link);
    }
    close_ended(link, now_ns);
}
