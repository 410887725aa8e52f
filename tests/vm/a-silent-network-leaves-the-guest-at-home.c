/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Before RUN the network falls silent: nobody is told, nothing arrives. Each
 * side gives up by itself where something has to come, and by its operator's
 * word where nothing has to; the guest goes on at the source.
 */
#include <signal.h>
#include <string.h>

#include "tests/support/vm-expect.h"
#include "tests/support/vm-proxy.h"

typedef struct {
    VmProxy *proxy;
    VmTool *send, *receive;
} Scene;

/* DELAY is for the proxy: what is under way for so long can be lost. */
static Scene
begin(VmPair *pair, const char *delay, const char *const *extra)
{
    g_autoptr(GError) error = NULL;
    Scene s = {.proxy = vm_proxy_start_before(pair->port, 1, &error)};
    g_assert_no_error(error);
    vm_proxy_order(s.proxy, delay, NULL, &error);
    g_assert_no_error(error);
    s.send = vm_expect_send(pair, extra);
    s.receive = vm_pair_receive_from(pair, vm_proxy_address(s.proxy), NULL,
                                     &error);
    g_assert_no_error(error);
    return s;
}

static void
end(Scene *s)
{
    vm_tool_free(s->send);
    vm_tool_free(s->receive);
    vm_proxy_free(s->proxy);
}

static void
fall_silent(Scene *s)
{
    g_autoptr(GError) error = NULL;
    unsigned met;
    vm_proxy_order(s->proxy, "swallow all both", &met, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(met, >, 0);
}

static void
in_agree(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    Scene s = begin(pair, "delay control to-destination 3000", NULL);
    /* ACCEPT is under way: the destination will wait for it, and the source
     * for the other connections. */
    vm_expect_says(s.send, "peer: LAYOUT");
    fall_silent(&s);
    vm_expect_end(s.receive, 60000, 1, "ACCEPT");
    vm_expect_end(s.send, 90000, 1, "the destination's other connections");
    end(&s);
    vm_expect_at_home(pair);
    vm_expect_waiting(pair);
    vm_expect_moves(pair);
}

/* It may take the operator hours to say go: nobody gives up. */
static void
in_wait(void)
{
    const char *wait[] = {"--wait", NULL};
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    Scene s = begin(pair, "delay all both 100", wait);
    vm_expect_says(s.send, "send SIGUSR1");
    fall_silent(&s);
    vm_expect_beats(pair->source);
    g_assert_false(vm_child_has_ended(vm_tool_child(s.send), NULL));
    g_assert_false(vm_child_has_ended(vm_tool_child(s.receive), NULL));
    vm_child_kill(vm_tool_child(s.send), SIGINT);
    vm_child_kill(vm_tool_child(s.receive), SIGINT);
    vm_expect_end(s.send, 60000, 1, "stopped by a signal");
    vm_expect_end(s.receive, 60000, 1, "stopped by a signal");
    end(&s);
    vm_expect_at_home(pair);
    vm_expect_waiting(pair);
    vm_expect_moves(pair);
}

/* The worst moment: the guest stands still until the source gives up. */
static void
in_switchover(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    Scene s = begin(pair, "delay all both 100", NULL);
    vm_expect_says(s.send, "QEMU: MIGRATION device");
    fall_silent(&s);
    vm_expect_end(s.send, 120000, 1, "the guest runs on the source");
    vm_expect_at_home(pair);
    vm_expect_end(s.receive, 300000, 1, "postlude receive: ");
    end(&s);
    vm_pair_renew_destination(pair, &error);
    g_assert_no_error(error);
    vm_expect_at_home(pair);
    vm_expect_moves(pair);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_setenv("POSTLUDE_PATIENCE", "25", true); /* or four minutes */
    g_test_add_func("/a-silent-network/in-agree", in_agree);
    g_test_add_func("/a-silent-network/in-wait", in_wait);
    g_test_add_func("/a-silent-network/in-switchover", in_switchover);
    return g_test_run();
}
