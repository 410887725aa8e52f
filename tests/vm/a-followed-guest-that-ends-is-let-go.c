/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * --follow: the guest powers off, or its QEMU crashes, on the destination, while
 * most of its memory is still at the source, whose QEMU the driver has ended.
 * Both sides say what happened, of a guest that had run, and end.
 */
#include <signal.h>
#include <string.h>

#include "tests/support/vm-driver.h"
#include "tests/support/vm-expect.h"
#include "tests/support/vm-passage.h"

#define END_MS 60000

static const char *const follow[] = {"--follow", NULL};

/* As vm_passage_start(), with a driver. */
static bool
start(VmPassage *p)
{
    g_autoptr(GError) error = NULL;
    *p = (VmPassage){.pair = vm_expect_pair(64)};
    if (!p->pair) {
        return false;
    }
    g_autoptr(VmDriver) driver = vm_driver_accept(p->pair);
    p->proxy = vm_proxy_start_before(p->pair->port, 1, &error);
    g_assert_no_error(error);
    vm_passage_order(p->proxy, "throttle all to-destination 200000");
    p->send = vm_expect_send(p->pair, follow);
    p->receive = vm_pair_receive_from(
        p->pair, vm_proxy_address(p->proxy), follow, &error);
    g_assert_no_error(error);
    vm_expect_says(p->send, "the destination is armed");
    vm_driver_migrate(driver);
    vm_expect_says(p->send, "peer: RUNNING");
    return true;
}

static void
expect_nothing_left(VmPassage *p)
{
    g_autofree char *there =
        vm_expect_journal(p->pair->destination, "receive");
    g_autofree char *here = vm_expect_journal(p->pair->source, "send");
    g_assert_null(there);
    g_assert_null(here);
    g_assert_cmpuint(vm_child_kill_orphans("keep"), ==, 0);
    vm_expect_said(p->receive, "before the guest ran", 0);
    vm_expect_said(p->send, "leave it running", 0);
}

static void
powers_off(void)
{
    g_auto(VmPassage) p = {0};
    if (!start(&p)) {
        return;
    }
    vm_passage_press(p.pair->destination, 'p');
    vm_expect_end(p.receive, END_MS, 0, "");
    vm_expect_end(p.send, END_MS, 0, "");
    g_autofree char *said = vm_tool_stdout(p.send);
    g_assert_nonnull(
        strstr(said, "ended: the guest has shut down on the destination"));
    expect_nothing_left(&p);
}

static void
crashes(void)
{
    g_auto(VmPassage) p = {0};
    if (!start(&p)) {
        return;
    }
    vm_child_kill(vm_qemu_child(p.pair->destination), SIGKILL);
    vm_expect_end(p.receive, END_MS, 3, "the guest ended here before all");
    vm_expect_end(p.send, END_MS, 3, "the guest ended on the destination");
    expect_nothing_left(&p);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_func("/a-followed-guest/powers-off", powers_off);
    g_test_add_func("/a-followed-guest/crashes", crashes);
    return g_test_run();
}
