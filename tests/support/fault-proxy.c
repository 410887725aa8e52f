/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A bad network for tests: stands where the destination dials, passes every
 * connection on to the source, and does to it what it is told on a control
 * socket, a line at a time (fault-order.h), answering each with "ok N ..."
 * (connections it was done to) or "error WHY". One thread, one loop.
 *
 *   fault-proxy CONTROL-PATH LISTEN TARGET [SEED]
 *   echo 'cut rst bulk' | socat - UNIX:CONTROL-PATH
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/support/fault-link.h"
#include "wire/wire-address.h"

#define ANSWER_MS 5000
#define RETRY_NS 10000000u

typedef struct {
    WireAddress *listen, *target, *control;
    int listener;              /* -1 while nobody listens */
    int control_listener;
    int operator;              /* who gives orders now, or -1 */
    GString *order_text;       /* of an order that is not complete */
    GPtrArray *links;
    FaultClimate climate;
    GRand *dice;
    uint64_t refuse_until_ns, deaf_until_ns;
    unsigned accepted, failed; /* since the start */
} FaultProxy;

static void
accept_link(FaultProxy *proxy)
{
    autofd destination = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
    if (destination < 0) {
        return;
    }
    autofd source = wire_address_dial(proxy->target, NULL);
    if (source < 0) {
        /* What a forwarder does for a port where nobody listens. */
        struct linger linger = {.l_onoff = 1};
        setsockopt(destination, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        proxy->failed++;
        return;
    }
    proxy->accepted++;
    g_ptr_array_add(proxy->links, fault_link_new(fd_steal(&destination),
                                                 fd_steal(&source)));
}

static void
heal(FaultProxy *proxy)
{
    memset(proxy->climate, 0, sizeof proxy->climate);
    proxy->refuse_until_ns = proxy->deaf_until_ns = 0;
}

static void
set_weather(FaultProxy *proxy, const FaultOrder *order)
{
    for (unsigned role = 0; role < FAULT_ROLES; role++) {
        for (unsigned from = 0; from < FAULT_SIDES; from++) {
            FaultWeather *weather = &proxy->climate[role][from];
            if (!order->roles[role] || !order->from[from]) {
                continue;
            }
            if (order->verb == FAULT_THROTTLE) {
                weather->bytes_per_s = order->n;
            } else {
                weather->delay_ms = (unsigned)order->n;
                weather->jitter_ms = order->jitter_ms;
            }
        }
    }
}

static unsigned
obey(FaultProxy *proxy, const FaultOrder *order)
{
    unsigned met = 0;
    switch (order->verb) {
    case FAULT_REFUSE:
        proxy->refuse_until_ns = fd_now_ns() + order->n * 1000000;
        fd_clear(&proxy->listener);
        return 0;
    case FAULT_DEAF:
        proxy->deaf_until_ns = fd_now_ns() + order->n * 1000000;
        return 0;
    case FAULT_HEAL:
        heal(proxy);
        return 0;
    case FAULT_DELAY:
    case FAULT_THROTTLE:
        set_weather(proxy, order);
        return 0;
    default:
        break;
    }
    for (guint i = 0; i < proxy->links->len; i++) {
        FaultLink *link = g_ptr_array_index(proxy->links, i);
        if (order->verb != FAULT_LOOK && fault_link_is_meant(link, order)) {
            fault_link_obey(link, order);
            met++;
        }
    }
    return met;
}

/* How many connections of each kind carry bytes, and what they carried. */
static void
describe(const FaultProxy *proxy, GString *text)
{
    unsigned live[FAULT_ROLES] = {0};
    uint64_t passed[FAULT_SIDES] = {0};
    for (guint i = 0; i < proxy->links->len; i++) {
        const FaultLink *link = g_ptr_array_index(proxy->links, i);
        bool whole = !link->closing_ns;
        for (unsigned from = 0; from < FAULT_SIDES; from++) {
            passed[from] += link->flow[from].passed_bytes;
            whole = whole && !link->flow[from].swallow;
        }
        live[link->role] += whole && !fault_link_is_over(link);
    }
    for (unsigned role = 0; role < FAULT_ROLES; role++) {
        g_string_append_printf(text, " %s=%u", fault_order_role_name(role),
                               live[role]);
    }
    g_string_append_printf(text, " links=%u accepted=%u failed=%u"
                           " to-source=%" G_GUINT64_FORMAT
                           " to-destination=%" G_GUINT64_FORMAT,
                           proxy->links->len, proxy->accepted, proxy->failed,
                           passed[FAULT_DESTINATION], passed[FAULT_SOURCE]);
}

static void
answer(FaultProxy *proxy, const char *line)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) text = g_string_new(NULL);
    FaultOrder order;
    if (fault_order_parse(line, &order, &error)) {
        g_string_printf(text, "ok %u", obey(proxy, &order));
        describe(proxy, text);
    } else {
        g_string_printf(text, "error %s", error->message);
    }
    g_string_append_c(text, '\n');
    fd_write_all(proxy->operator, text->str, text->len,
                 fd_deadline_ns(ANSWER_MS), NULL);
}

static void
hear_operator(FaultProxy *proxy)
{
    char bytes[512];
    ssize_t got = recv(proxy->operator, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (got <= 0) {
        fd_clear(&proxy->operator);
        g_string_truncate(proxy->order_text, 0);
        return;
    }
    g_string_append_len(proxy->order_text, bytes, got);
    char *newline;
    while ((newline = strchr(proxy->order_text->str, '\n'))) {
        *newline = '\0';
        answer(proxy, proxy->order_text->str);
        g_string_erase(proxy->order_text, 0,
                       newline - proxy->order_text->str + 1);
    }
}

/* While it refuses, there is no listener at all: callers get what a host
 * without a listener says. Somebody may have taken the port meanwhile. */
static void
keep_listening(FaultProxy *proxy, uint64_t now_ns, uint64_t *wake_ns)
{
    if (proxy->listener >= 0) {
        return;
    }
    if (now_ns >= proxy->refuse_until_ns) {
        proxy->listener = wire_address_listen(proxy->listen, NULL);
    }
    if (proxy->listener < 0) {
        *wake_ns = MIN(*wake_ns, MAX(proxy->refuse_until_ns,
                                     now_ns + RETRY_NS));
    }
}

static void
wait_for(struct pollfd *pfd, nfds_t n, uint64_t now_ns, uint64_t wake_ns)
{
    uint64_t left = wake_ns > now_ns ? wake_ns - now_ns : 0;
    struct timespec limit = {.tv_sec = (time_t)(left / 1000000000u),
                             .tv_nsec = (long)(left % 1000000000u)};
    if (ppoll(pfd, n, wake_ns == UINT64_MAX ? NULL : &limit, NULL) < 0) {
        for (nfds_t i = 0; i < n; i++) {
            pfd[i].revents = 0;
        }
    }
}

static void
serve_links(FaultProxy *proxy, const struct pollfd *pfd)
{
    uint64_t now_ns = fd_now_ns();
    /* Backwards: what is over is taken out on the way. */
    for (guint i = proxy->links->len; i-- > 0;) {
        FaultLink *link = g_ptr_array_index(proxy->links, i);
        fault_link_serve(link, pfd + i * FAULT_SIDES, proxy->climate,
                         proxy->dice, now_ns);
        if (fault_link_is_over(link)) {
            g_ptr_array_remove_index(proxy->links, i);
        }
    }
}

/* One round: links first, so that an order meets what has come by then. */
static void
serve(FaultProxy *proxy)
{
    uint64_t now_ns = fd_now_ns(), wake_ns = UINT64_MAX;
    guint n = proxy->links->len * FAULT_SIDES;
    g_autofree struct pollfd *pfd = g_new0(struct pollfd, n + 3);
    keep_listening(proxy, now_ns, &wake_ns);
    for (guint i = 0; i < proxy->links->len; i++) {
        fault_link_prepare(g_ptr_array_index(proxy->links, i),
                           pfd + i * FAULT_SIDES, now_ns, &wake_ns);
    }
    bool deaf = now_ns < proxy->deaf_until_ns;
    if (deaf) {
        wake_ns = MIN(wake_ns, proxy->deaf_until_ns);
    }
    pfd[n] = (struct pollfd){deaf ? -1 : proxy->listener, POLLIN, 0};
    pfd[n + 1] = (struct pollfd){proxy->control_listener, POLLIN, 0};
    pfd[n + 2] = (struct pollfd){proxy->operator, POLLIN, 0};
    wait_for(pfd, n + 3, now_ns, wake_ns);
    serve_links(proxy, pfd);
    if (pfd[n + 2].revents) {
        hear_operator(proxy);
    }
    if (pfd[n + 1].revents && proxy->operator < 0) {
        proxy->operator = accept4(proxy->control_listener, NULL, NULL,
                                  SOCK_CLOEXEC);
    }
    if (pfd[n].revents && proxy->listener >= 0) {
        accept_link(proxy);
    }
}

static bool
start(FaultProxy *proxy, char **argv, GError **error)
{
    g_autofree char *control = g_strconcat("unix:", argv[0], NULL);
    proxy->operator = proxy->listener = -1;
    proxy->links = g_ptr_array_new_with_free_func(
        (GDestroyNotify)fault_link_free);
    proxy->order_text = g_string_new(NULL);
    proxy->dice = g_rand_new_with_seed(
        argv[3] ? (guint32)g_ascii_strtoull(argv[3], NULL, 10) : 1);
    return (proxy->control = wire_address_parse(control, error)) &&
           (proxy->listen = wire_address_parse(argv[1], error)) &&
           (proxy->target = wire_address_parse(argv[2], error)) &&
           (proxy->listener = wire_address_listen(proxy->listen, error)) >= 0 &&
           /* Last: who can reach it knows that the other is there. */
           (proxy->control_listener =
                wire_address_listen(proxy->control, error)) >= 0;
}

int
main(int argc, char **argv)
{
    g_autoptr(GError) error = NULL;
    FaultProxy proxy = {0};
    signal(SIGPIPE, SIG_IGN);
    if (argc < 4 || argc > 5) {
        fprintf(stderr, "usage: fault-proxy CONTROL-PATH LISTEN TARGET "
                "[SEED]\n");
        return 2;
    }
    if (!start(&proxy, argv + 1, &error)) {
        fprintf(stderr, "fault-proxy: %s\n", error->message);
        return 1;
    }
    for (;;) {
        serve(&proxy);
    }
}
