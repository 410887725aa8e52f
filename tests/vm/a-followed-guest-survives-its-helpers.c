/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * --follow, and a helper dies when QEMU has handed the guest over and the
 * sender has not noticed: it was stopped before. Whoever takes over has to find
 * out from QEMU, or from its being gone, that the point of no return is passed,
 * and must not start the guest at the source.
 */
#include <signal.h>
#include <string.h>

#include "tests/support/vm-driver.h"
#include "tests/support/vm-expect.h"

static const char *const follow[] = {"--follow", NULL};

typedef struct {
    VmPair *pair;
    VmDriver *driver;
    VmTool *send, *receive;
} Scene;

/* Up to "completed", with a sender that stands still. Without its VAPIC a QEMU
 * loads its devices without touching the guest's memory. */
static bool
set_up(Scene *scene)
{
    static const char *const extra[] = {"-global", "apic.vapic=off", NULL};
    VmQemuOptions options = vm_expect_options(64);
    options.extra = extra;
    if (vm_qemu_skip(vm_qemu_why_not(VM_QEMU_HOST, false))) {
        return false;
    }
    scene->pair = vm_expect_pair_of(&options, &options);
    scene->driver = vm_driver_accept(scene->pair);
    scene->send = vm_expect_send(scene->pair, follow);
    scene->receive = vm_expect_receive(scene->pair, follow);
    vm_expect_says(scene->send, "the destination is armed");
    vm_child_kill(vm_tool_child(scene->send), SIGSTOP);
    vm_driver_start(scene->driver);
    g_assert_cmpstr(vm_driver_follow(scene->driver), ==, "completed");
    return true;
}

static void
tear_down(Scene *scene)
{
    vm_tool_free(scene->send);
    vm_tool_free(scene->receive);
    vm_driver_free(scene->driver);
    vm_pair_free(scene->pair);
}

static void
expect_arrived(Scene *scene)
{
    g_autoptr(GError) error = NULL;
    vm_pair_wait_scans(scene->pair, 2, 300000, &error);
    g_assert_no_error(error);
    vm_expect_runs(scene->pair->destination);
}

static void
the_sender(gconstpointer data)
{
    bool qemu_lives = data != NULL;
    g_autoptr(GError) error = NULL;
    Scene scene;
    if (!set_up(&scene)) {
        return;
    }
    if (qemu_lives) {
        vm_qemu_command(scene.pair->destination, "cont", NULL, &error);
        g_assert_no_error(error);
    } else {
        vm_driver_finish(scene.driver);
    }
    vm_expect_says(scene.receive, "QEMU: RESUME");
    g_autoptr(VmTool) heir = vm_expect_take_over(
        scene.send, "send", scene.pair->source, NULL);
    vm_expect_end(scene.receive, 60000, 0, "back at the source");
    vm_expect_end(heir, 60000, 0, "");
    if (qemu_lives) {
        vm_expect_state(scene.pair->source, "postmigrate");
    }
    expect_arrived(&scene);
    tear_down(&scene);
}

static void
the_receiver(void)
{
    Scene scene;
    if (!set_up(&scene)) {
        return;
    }
    vm_driver_finish(scene.driver);
    vm_expect_says(scene.receive, "QEMU: RESUME");
    g_autoptr(VmTool) heir = vm_expect_take_over(
        scene.receive, "receive", scene.pair->destination, NULL);
    vm_child_kill(vm_tool_child(scene.send), SIGCONT);
    vm_expect_end(heir, 60000, 0, "back at the source");
    vm_expect_end(scene.send, 60000, 0, "");
    expect_arrived(&scene);
    tear_down(&scene);
}

int
main(int argc, char **argv)
{
    static char yes[] = "yes";
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_data_func("/follow-survives/sender-and-qemu-gone", NULL,
                         the_sender);
    g_test_add_data_func("/follow-survives/sender-gone", yes, the_sender);
    g_test_add_func("/follow-survives/receiver-gone", the_receiver);
    return g_test_run();
}
