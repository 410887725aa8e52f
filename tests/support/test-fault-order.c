/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The fault proxy's parts that need no process: what an order means, and when
 * a flow lets bytes go.
 */
#include "tests/support/fault-order.h"

#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/support/fault-flow.h"

static const char *const orders[] = {
    "cut rst all", "cut fin control", "cut-after rst bulk:3 both 17",
    "swallow urgent to-source", "delay device to-destination 5",
    "delay all both 5 60", "throttle bulk both 1000000", "throttle all both 0",
    "refuse 200", "deaf 0", "heal", "look",
};

static const char *const nonsense[] = {
    "", " ", "cut", "cut rst", "cut all", "cut now all", "cut rst all both",
    "cut rst none", "cut rst bulk:", "cut rst bulk:x", "cut rst bulk:65",
    "cut-after rst bulk both", "cut-after rst bulk both -1", "swallow bulk",
    "swallow bulk sideways", "delay all both", "delay all both 1 2 3",
    "delay all both 1 60001", "throttle all both 1 2", "refuse", "refuse x",
    "heal me", "look  ", "look\n",
};

static void
parses(void)
{
    g_autoptr(GError) error = NULL;
    FaultOrder order;
    for (unsigned i = 0; i < G_N_ELEMENTS(orders); i++) {
        fault_order_parse(orders[i], &order, &error);
        g_assert_no_error(error);
    }
    g_assert_true(fault_order_parse("cut-after fin bulk:3 to-source 17",
                                    &order, NULL));
    g_assert_cmpint(order.verb, ==, FAULT_CUT_AFTER);
    g_assert_cmpint(order.how, ==, FAULT_FIN);
    g_assert_cmpint(order.index, ==, 3);
    g_assert_true(order.roles[WIRE_ROLE_BULK]);
    g_assert_false(order.roles[WIRE_ROLE_URGENT] || order.roles[0]);
    g_assert_true(order.from[FAULT_DESTINATION]);
    g_assert_false(order.from[FAULT_SOURCE]);
    g_assert_cmpuint(order.n, ==, 17);
    g_assert_true(fault_order_parse("delay all both 5 60", &order, NULL));
    g_assert_cmpuint(order.jitter_ms, ==, 60);
    g_assert_true(order.roles[0] && order.roles[WIRE_ROLE_DEVICE]);
}

static void
refuses(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(nonsense); i++) {
        g_autoptr(GError) error = NULL;
        FaultOrder order;
        if (fault_order_parse(nonsense[i], &order, &error)) {
            g_error("'%s' was taken for an order", nonsense[i]);
        }
        g_assert_true(error_is(error, ERROR_USAGE));
    }
}

/* When, from time 0 on, a flow lets the next bytes go. */
static uint64_t
due_ns(FaultFlow *flow, int in, const FaultWeather *weather, GRand *dice)
{
    uint64_t wake_ns = UINT64_MAX;
    g_assert_cmpint(fault_flow_read(flow, in, weather, dice, 0), ==,
                    FAULT_FLOW_ON);
    g_assert_false(fault_flow_wants_write(flow, 0, &wake_ns));
    return wake_ns;
}

static uint64_t
jitter_of(unsigned seed)
{
    g_autoptr(GRand) dice = g_rand_new_with_seed(seed);
    const FaultWeather weather = {.delay_ms = 10, .jitter_ms = 50};
    uint64_t sum = 0;
    for (int i = 0; i < 8; i++) {
        int in[2];
        FaultFlow flow;
        g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM, 0, in));
        g_assert_true(fd_write_all(in[1], "x", 1, 0, NULL));
        fault_flow_init(&flow);
        uint64_t due = due_ns(&flow, in[0], &weather, dice);
        g_assert_cmpuint(due, >=, 10 * 1000000);
        g_assert_cmpuint(due, <=, 60 * 1000000);
        sum = sum * 61 + due / 1000000;
        fault_flow_clear(&flow);
        fd_clear(&in[0]);
        fd_clear(&in[1]);
    }
    return sum;
}

static void
the_seed_decides(void)
{
    g_assert_cmpuint(jitter_of(1), ==, jitter_of(1));
    g_assert_cmpuint(jitter_of(1), !=, jitter_of(2));
}

static void
bytes_keep_their_order(void)
{
    g_autoptr(GRand) dice = g_rand_new_with_seed(1);
    const FaultWeather slow = {.delay_ms = 1000}, fast = {0};
    uint64_t wake_ns = UINT64_MAX;
    int in[2], out[2];
    char got[4] = "";
    FaultFlow flow;
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM, 0, in));
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM, 0, out));
    fault_flow_init(&flow);
    g_assert_true(fd_write_all(in[1], "a", 1, 0, NULL));
    due_ns(&flow, in[0], &slow, dice);
    g_assert_true(fd_write_all(in[1], "b", 1, 0, NULL));
    g_assert_cmpuint(due_ns(&flow, in[0], &fast, dice), ==, 1000000000);
    for (int i = 0; i < 2; i++) {
        g_assert_true(fault_flow_wants_write(&flow, 1000000000, &wake_ns));
        fault_flow_write(&flow, out[0], &fast, 1000000000);
    }
    g_assert_cmpint(recv(out[1], got, sizeof got, 0), ==, 2);
    g_assert_cmpstr(got, ==, "ab");
    fault_flow_clear(&flow);
    for (int i = 0; i < 2; i++) {
        fd_clear(&in[i]);
        fd_clear(&out[i]);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fault-order/parses", parses);
    g_test_add_func("/fault-order/refuses", refuses);
    g_test_add_func("/fault-flow/seed", the_seed_decides);
    g_test_add_func("/fault-flow/order", bytes_keep_their_order);
    return g_test_run();
}
