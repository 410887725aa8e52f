/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sender, source QEMU and keeper are gone together, as with their host, while
 * half of the guest's memory was only there. Nobody can bring it back, and
 * nobody may invent it: the guest waits where it needs it, status says so, and
 * only an operator ends it.
 */
#include <signal.h>
#include <string.h>

#include "tests/support/vm-expect.h"
#include "tests/support/vm-passage.h"

static uint64_t
lines_of(VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    const char *paths[] = {vm_qemu_serial_path(vm), NULL};
    g_autoptr(WitnessLog) log = witness_log_read(paths, &error);
    g_assert_no_error(error);
    if (log->wrong->len > 0) {
        g_error("%s", (const char *)g_ptr_array_index(log->wrong, 0));
    }
    const WitnessBeat *last = witness_log_last(log);
    return last ? last->line : 0;
}

/* It touches all of its memory over and over, so it stops soon, and for good. */
static void
assert_waits(VmQemu *vm)
{
    uint64_t before = lines_of(vm), now;
    for (int quiet = 0; quiet < 20; quiet++) {
        g_usleep(200000);
        now = lines_of(vm);
        quiet = now == before ? quiet : 0;
        before = now;
    }
}

/* Much of the memory has not arrived. */
static void
lose_source(const VmPassage *p)
{
    vm_passage_kill(p->send);
    vm_child_kill(vm_qemu_child(p->pair->source), SIGKILL);
    vm_child_wait(vm_qemu_child(p->pair->source), 60000, NULL);
    g_assert_cmpuint(vm_child_kill_orphans("keep"), ==, 1);
    vm_passage_order(p->proxy, "cut rst all");
}

static void
give_up(VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    const char *args[] = {"--give-up", "--qmp", vm_qemu_tool_socket(vm), NULL};
    g_autoptr(VmTool) tool = vm_tool_start("receive", args, false, &error);
    g_assert_no_error(error);
    vm_expect_end(tool, 60000, 0, "");
    g_assert_true(vm_child_wait(vm_qemu_child(vm), 60000, NULL));
}

static void
test_gone(gconstpointer kill_receiver)
{
    g_auto(VmPassage) p = {0};
    if (!vm_passage_start(&p, "throttle all to-destination 200000")) {
        return;
    }
    lose_source(&p);
    assert_waits(p.pair->destination);
    g_assert_false(vm_child_has_ended(vm_tool_child(p.receive), NULL));
    vm_expect_status(p.receive, "CONNECTION LOST");
    if (kill_receiver) {
        vm_passage_kill(p.receive);
        assert_waits(p.pair->destination);
    }
    give_up(p.pair->destination);
    if (!kill_receiver) {
        /* It knows nobody to tell. */
        vm_expect_says(p.receive, "a signal ends that");
        vm_child_kill(vm_tool_child(p.receive), SIGTERM);
        vm_expect_end(p.receive, 60000, 3, "");
    }
    g_autofree char *journal =
        vm_expect_journal(p.pair->destination, "receive");
    g_assert_null(journal);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_data_func("/a-source-that-is-gone/receiver-at-work", NULL,
                         test_gone);
    g_test_add_data_func("/a-source-that-is-gone/receiver-killed", "",
                         test_gone);
    return g_test_run();
}
