/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Up to the word RUN, each kind of connection is cut at each stage, with a
 * reset and with an orderly end: both sides end with exit status 1, the guest
 * runs on at the source, nothing is left, and it can be moved afterwards.
 */
#include <signal.h>
#include <string.h>

#include "base/fd.h"
#include "tests/support/vm-expect.h"
#include "tests/support/vm-proxy.h"

typedef struct {
    const char *name;
    const char *word;   /* of the sender */
    bool wait;          /* for the operator, in the stage "wait" */
    bool in_switchover; /* the destination's QEMU is used up */
} Moment;

static const Moment moments[] = {
    {"agree", "peer: LAYOUT", true, false},
    {"prepare", "stage prepare", true, false},
    {"wait", "send SIGUSR1", true, false},
    {"switchover", "stage switchover", false, true},
    {"ready", "peer: READY", false, true},
    {"pre-switchover", "QEMU: MIGRATION pre-switchover", false, true},
    {"device", "QEMU: MIGRATION device", false, true},
};

static const char *const roles[] = {"control", "device", "urgent", "bulk"};

/* Slow enough that RUN does not come before the cut. */
static VmProxy *
start_proxy(VmPair *pair)
{
    g_autoptr(GError) error = NULL;
    VmProxy *proxy = vm_proxy_start_before(pair->port, 1, &error);
    g_assert_no_error(error);
    vm_proxy_order(proxy, "delay all both 100", NULL, &error);
    g_assert_no_error(error);
    return proxy;
}

/* False if there is no connection ROLE at this moment. */
static bool
cut(VmProxy *proxy, const char *how, const char *role)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *order = g_strdup_printf("cut %s %s", how, role);
    unsigned met;
    vm_proxy_order(proxy, order, &met, &error);
    g_assert_no_error(error);
    return met > 0;
}

static void
end_failed(VmTool *tool)
{
    g_autoptr(GError) error = NULL;
    int code = -1;
    vm_tool_wait(tool, 90000, &code, &error);
    g_assert_no_error(error);
    g_autofree char *said = vm_tool_stderr(tool);
    if (code != 1 || strstr(said, "peer: RUN") ||
        strstr(said, "stage postcopy")) {
        g_error("expected exit status 1 before RUN, not %d; it said: %s",
                code, said);
    }
}

/* A cut that nobody notices while the guest runs at home is no failure yet:
 * then it is the switchover that fails. */
static void
let_go(const Moment *moment, VmTool *send)
{
    if (moment->wait && !vm_child_wait(vm_tool_child(send), 1000, NULL)) {
        vm_child_kill(vm_tool_child(send), SIGUSR1);
    }
}

/* RUN was out before the cut, which then is a failure that the guest survives:
 * it arrives, and its way back is the next. */
static void
go_along(VmPair *pair, VmProxy *proxy, VmTool *send, VmTool *receive)
{
    g_autoptr(GError) error = NULL;
    vm_proxy_order(proxy, "heal", NULL, &error);
    g_assert_no_error(error);
    vm_expect_arrives(pair, send, receive);
    vm_pair_turn(pair, &error);
    g_assert_no_error(error);
}

typedef enum { BROKEN, TOO_LATE, NOT_THERE } Outcome;

static Outcome
break_one(VmPair *pair, const Moment *moment, const char *how,
          const char *role)
{
    const char *wait[] = {"--wait", NULL};
    /* If its QEMU had loaded, it looks for the source for so long. */
    const char *soon[] = {"--peer-timeout", "10", NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(VmProxy) proxy = start_proxy(pair);
    g_autoptr(VmTool) send = vm_expect_send(pair, moment->wait ? wait : NULL);
    g_autoptr(VmTool) receive = vm_pair_receive_from(
        pair, vm_proxy_address(proxy), soon, &error);
    g_assert_no_error(error);
    vm_expect_says(send, moment->word);
    bool met = cut(proxy, how, role);
    if (!met && moment->wait) {
        return NOT_THERE;
    }
    g_test_message("%s %s at %s", how, role, moment->name);
    let_go(moment, send);
    if (!moment->wait &&
        (!met || !vm_expect_end_unless(send, 90000, 1, "", "stage postcopy"))) {
        go_along(pair, proxy, send, receive);
        return TOO_LATE;
    }
    end_failed(send);
    end_failed(receive);
    return BROKEN;
}

/* False if ROLE does not exist at this MOMENT. */
static bool
break_in_time(VmPair *pair, const Moment *moment, const char *how,
              const char *role)
{
    for (int attempt = 0; attempt < 5; attempt++) {
        Outcome outcome = break_one(pair, moment, how, role);
        if (outcome != TOO_LATE) {
            return outcome == BROKEN;
        }
    }
    g_error("%s could never be cut in time", role);
}

static void
test_moment(gconstpointer data)
{
    const Moment *moment = data;
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    unsigned broken = 0;
    for (unsigned i = 0; i < 2 * G_N_ELEMENTS(roles); i++) {
        g_autoptr(GError) error = NULL;
        if (!break_in_time(pair, moment, i % 2 ? "fin" : "rst",
                           roles[i / 2])) {
            continue;
        }
        broken++;
        vm_expect_at_home(pair);
        vm_pair_renew_destination(pair, &error);
        g_assert_no_error(error);
    }
    /* In "agree" the others may not be there yet. */
    g_assert_cmpuint(broken, >=,
                     strcmp(moment->name, "agree") == 0 ? 2 : 8);
    vm_expect_moves(pair);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    for (size_t i = 0; i < G_N_ELEMENTS(moments); i++) {
        g_autofree char *path = g_strdup_printf("/a-broken-connection/in-%s",
                                                moments[i].name);
        g_test_add_data_func(path, &moments[i], test_moment);
    }
    return g_test_run();
}
