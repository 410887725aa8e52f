/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Between "armed" and SIGUSR1 anything may happen to a guest: it arrives as it
 * is at the switchover, or it stays at home and runs.
 */
#include <signal.h>

#include "tests/support/vm-expect.h"

#define DIMM                                                                   \
    "{\"qom-type\": \"memory-backend-file\", \"id\": \"late\", "               \
    "\"mem-path\": \"/dev/shm\", \"size\": 67108864, \"share\": true, "        \
    "\"align\": 2097152}"
#define PLUG                                                                   \
    "{\"driver\": \"pc-dimm\", \"id\": \"dimm\", \"memdev\": \"late\"}"

typedef struct {
    VmPair *pair;
    VmTool *send, *receive;
} Armed;

static void
command(VmQemu *vm, const char *name, const char *arguments)
{
    g_autoptr(GError) error = NULL;
    vm_qemu_command(vm, name, arguments, &error);
    g_assert_no_error(error);
}

static bool
arm(Armed *armed, bool stopped)
{
    const char *wait[] = {"--wait", NULL};
    static const char *const room[] = {"-m", "64M,slots=2,maxmem=1G", NULL};
    VmQemuOptions options = vm_expect_options(64);
    options.extra = room;
    if (vm_qemu_skip(vm_qemu_why_not(VM_QEMU_HOST, false))) {
        return false;
    }
    *armed = (Armed){.pair = vm_expect_pair_of(&options, &options)};
    if (stopped) {
        command(armed->pair->source, "stop", NULL);
    }
    armed->send = vm_expect_send(armed->pair, wait);
    armed->receive = vm_expect_receive(armed->pair, NULL);
    vm_expect_says(armed->send, "send SIGUSR1");
    return true;
}

static void
go(Armed *armed)
{
    vm_child_kill(vm_tool_child(armed->send), SIGUSR1);
}

static void
clear(Armed *armed)
{
    vm_tool_free(armed->send);
    vm_tool_free(armed->receive);
    vm_pair_free(armed->pair);
}

static void
test_paused(void)
{
    Armed armed;
    if (!arm(&armed, false)) {
        return;
    }
    command(armed.pair->source, "stop", NULL);
    go(&armed);
    vm_expect_end(armed.send, 60000, 0, "");
    vm_expect_end(armed.receive, 60000, 0, "");
    vm_expect_state(armed.pair->destination, "paused");
    command(armed.pair->destination, "cont", NULL);
    vm_expect_arrived(armed.pair);
    clear(&armed);
}

static void
test_started(void)
{
    Armed armed;
    if (!arm(&armed, true)) {
        return;
    }
    command(armed.pair->source, "cont", NULL);
    go(&armed);
    vm_expect_arrives(armed.pair, armed.send, armed.receive);
    clear(&armed);
}

static void
plug(VmQemu *vm)
{
    command(vm, "object-add", DIMM);
    command(vm, "device_add", PLUG);
}

/* On both sides: nobody would bring its memory, and nobody would notice. */
static void
test_plugged(void)
{
    Armed armed;
    if (!arm(&armed, false)) {
        return;
    }
    plug(armed.pair->source);
    plug(armed.pair->destination);
    go(&armed);
    vm_expect_end(armed.send, 60000, 1, "RAM block 'late' was added");
    vm_expect_end(armed.receive, 60000, 1, "the source stopped: ");
    vm_expect_runs(armed.pair->source);
    vm_expect_waiting(armed.pair);
    clear(&armed);
}

static void
test_plugged_there(void)
{
    Armed armed;
    if (!arm(&armed, false)) {
        return;
    }
    plug(armed.pair->destination);
    go(&armed);
    vm_expect_end(armed.receive, 60000, 1, "RAM block 'late' was added");
    vm_expect_end(armed.send, 60000, 1, "the destination stopped: ");
    vm_expect_runs(armed.pair->source);
    vm_expect_waiting(armed.pair);
    clear(&armed);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_func("/what-changes/paused", test_paused);
    g_test_add_func("/what-changes/started", test_started);
    g_test_add_func("/what-changes/plugged", test_plugged);
    g_test_add_func("/what-changes/plugged-there", test_plugged_there);
    return g_test_run();
}
