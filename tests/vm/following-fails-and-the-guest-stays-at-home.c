/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * --follow, and something goes wrong before the destination has taken over:
 * the guest goes on at the source, nobody says "cont" to it but the driver or
 * QEMU itself, nothing of ours is left in its QEMU, and it can be moved
 * afterwards.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/vm-driver.h"
#include "tests/support/vm-expect.h"

static const char *const follow[] = {"--follow", NULL};

typedef struct {
    VmPair *pair;
    VmDriver *driver;
    VmTool *send, *receive;
} Scene;

/* QEMU closes the return path before it notes that it is being cancelled
 * (migration/migration.c, migrate_fd_cancel), so now and then its own thread is
 * quicker to say that the migration has failed. */
static void
expect_cancelled(VmDriver *driver)
{
    const char *how = vm_driver_follow(driver);
    g_assert_true(strcmp(how, "cancelled") == 0 || strcmp(how, "failed") == 0);
}

static bool
set_up(Scene *scene, const char *const *send_options,
       const char *const *source_devices)
{
    VmQemuOptions options = vm_expect_options(64), source = options;
    source.extra = source_devices;
    if (vm_qemu_skip(vm_qemu_why_not(VM_QEMU_HOST, false))) {
        return false;
    }
    scene->pair = vm_expect_pair_of(&source, &options);
    scene->driver = vm_driver_accept(scene->pair);
    scene->send = vm_expect_send(scene->pair, send_options);
    scene->receive = vm_expect_receive(scene->pair, follow);
    vm_expect_says(scene->receive,
                   "armed: QEMU's migration to this QEMU may begin");
    vm_expect_says(scene->send, "the destination is armed");
    return true;
}

static void
end_destination(Scene *scene)
{
    vm_child_kill(vm_qemu_child(scene->pair->destination), SIGKILL);
    vm_child_wait(vm_qemu_child(scene->pair->destination), 60000, NULL);
}

/* The receiver is armed until libvirt ends its QEMU. */
static void
expect_armed_until_its_end(Scene *scene, const char *text)
{
    vm_expect_says(scene->receive, text);
    g_usleep(500000);
    g_assert_false(vm_child_has_ended(vm_tool_child(scene->receive), NULL));
    g_assert_cmpint(vm_look_userfaultfds(scene->pair->destination), ==, 1);
    end_destination(scene);
    vm_expect_end(scene->receive, 60000, 1, "before the guest ran");
}

static void
tear_down(Scene *scene)
{
    g_autoptr(GError) error = NULL;
    vm_expect_at_home(scene->pair);
    VmQemuOptions options = *vm_qemu_options(scene->pair->source);
    vm_qemu_free(scene->pair->destination);
    options.incoming = true;
    scene->pair->destination = vm_qemu_start(&options, &error);
    g_assert_no_error(error);
    vm_tool_free(scene->send);
    vm_tool_free(scene->receive);
    vm_driver_free(scene->driver);
    vm_expect_moves(scene->pair);
    vm_pair_free(scene->pair);
}

static void
nobody_starts_it(void)
{
    const char *options[] = {"--follow", "--peer-timeout", "10", NULL};
    Scene scene;
    if (!set_up(&scene, options, NULL)) {
        return;
    }
    vm_expect_end(scene.send, 60000, 1, "gave up waiting for libvirt");
    expect_armed_until_its_end(&scene, "stays armed");
    tear_down(&scene);
}

/* Started after all, when the sender has given up: QEMU itself refuses, because
 * the destination's capability is on and the source's is not. */
static void
it_is_started_too_late(void)
{
    const char *options[] = {"--follow", "--peer-timeout", "10", NULL};
    Scene scene;
    if (!set_up(&scene, options, NULL)) {
        return;
    }
    vm_expect_end(scene.send, 60000, 1, "gave up waiting for libvirt");
    vm_expect_says(scene.receive, "stays armed");
    vm_driver_start(scene.driver);
    g_assert_cmpstr(vm_driver_follow(scene.driver), ==, "failed");
    end_destination(&scene);
    vm_expect_end(scene.receive, 60000, 1, "before the guest ran");
    tear_down(&scene);
}

static void
the_driver_cancels(gconstpointer data)
{
    const char *at = data;
    Scene scene;
    if (!set_up(&scene, follow, NULL)) {
        return;
    }
    vm_driver_start(scene.driver);
    vm_driver_wait(scene.driver, at);
    vm_driver_cancel(scene.driver);
    vm_expect_end(scene.send, 60000, 1, "QEMU's migration was cancelled");
    /* QEMU itself gives up when its stream breaks off. */
    vm_expect_end(scene.receive, 60000, 1, "before the guest ran");
    tear_down(&scene);
}

static void
the_operator_stops_the_sender(void)
{
    Scene scene;
    if (!set_up(&scene, follow, NULL)) {
        return;
    }
    vm_driver_start(scene.driver);
    vm_driver_wait(scene.driver, "pre-switchover");
    vm_child_kill(vm_tool_child(scene.send), SIGTERM);
    vm_expect_end(scene.send, 60000, 1, "stopped by a signal");
    expect_cancelled(scene.driver);
    vm_expect_end(scene.receive, 60000, 1, "before the guest ran");
    tear_down(&scene);
}

/* 'postlude migrate' is killed: the sender is its child. */
static void
who_started_it_is_gone(void)
{
    int ends[2];
    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    g_assert_cmpint(fcntl(ends[0], F_SETFD, 0), ==, 0);
    g_autofree char *number = g_strdup_printf("%d", ends[0]);
    const char *options[] = {"--follow", "--parent-fd", number, NULL};
    Scene scene;
    if (!set_up(&scene, options, NULL)) {
        return;
    }
    close(ends[0]);
    vm_driver_start(scene.driver);
    vm_driver_wait(scene.driver, "pre-switchover");
    close(ends[1]);
    vm_expect_end(scene.send, 60000, 1, "the process that started it");
    expect_cancelled(scene.driver);
    vm_expect_end(scene.receive, 60000, 1, "before the guest ran");
    tear_down(&scene);
}

static void
the_receiver_is_killed(gconstpointer data)
{
    bool started = data != NULL;
    Scene scene;
    if (!set_up(&scene, follow, NULL)) {
        return;
    }
    if (started) {
        vm_driver_start(scene.driver);
        vm_driver_wait(scene.driver, "pre-switchover");
    }
    vm_child_kill(vm_tool_child(scene.receive), SIGKILL);
    vm_expect_end(scene.send, 60000, 1, "postlude send: switchover: ");
    end_destination(&scene);
    tear_down(&scene);
}

/* What docs/failure.md says to do. */
static void
expect_taken_back(Scene *scene)
{
    const char *args[] = {"--resume", "--qmp",
                          vm_qemu_tool_socket(scene->pair->source), NULL};
    g_assert_true(
        vm_expect_capability(scene->pair->source, "x-ignore-shared"));
    vm_expect_refusal("send", args, 1, "what it had changed in QEMU is undone");
}

/* Whoever drives goes on as if nothing was: that must not give the guest to a
 * destination whose memory nobody sends. */
static void
the_sender_is_killed(gconstpointer data)
{
    bool started = data != NULL;
    Scene scene;
    if (!set_up(&scene, follow, NULL)) {
        return;
    }
    if (started) {
        vm_driver_start(scene.driver);
        vm_driver_wait(scene.driver, "pre-switchover");
    }
    vm_child_kill(vm_tool_child(scene.send), SIGKILL);
    if (started) {
        g_assert_cmpstr(vm_driver_follow(scene.driver), ==, "failed");
    }
    vm_expect_end(scene.receive, 60000, 1, "was ended, and the guest stays");
    g_assert_true(vm_child_wait(vm_qemu_child(scene.pair->destination), 60000,
                                NULL));
    expect_taken_back(&scene);
    tear_down(&scene);
}

static void
the_devices_do_not_fit(void)
{
    static const char *const devices[] = {"-device", "virtio-rng-pci", NULL};
    Scene scene;
    if (!set_up(&scene, follow, devices)) {
        return;
    }
    vm_driver_start(scene.driver);
    g_assert_cmpstr(vm_driver_follow(scene.driver), ==, "failed");
    vm_expect_end(scene.send, 60000, 1, "QEMU's migration failed");
    end_destination(&scene);
    vm_expect_end(scene.receive, 60000, 1, "before the guest ran");
    tear_down(&scene);
}

/* "completed" was said, but libvirt's Finish fails. */
static void
the_driver_takes_it_back(void)
{
    Scene scene;
    if (!set_up(&scene, follow, NULL)) {
        return;
    }
    vm_driver_start(scene.driver);
    g_assert_cmpstr(vm_driver_follow(scene.driver), ==, "completed");
    vm_expect_says(scene.send, "stage postcopy");
    vm_driver_take_back(scene.driver);
    vm_expect_end(scene.send, 60000, 1, "");
    vm_expect_end(scene.receive, 60000, 1, "before the guest ran");
    g_autofree char *said = vm_tool_stderr(scene.send);
    g_assert_true(strstr(said, "was started again on the source") ||
                  strstr(said, "never ran on the destination"));
    tear_down(&scene);
}

/* So slow that the guest is on its way for seconds: what the sender sees of it
 * may come late to a process that waits for a CPU. */
static void
crawl(VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    vm_qemu_command(vm, "migrate-set-parameters",
                    "{\"max-bandwidth\": 1048576}", &error);
    g_assert_no_error(error);
}

/* The hook is not there: libvirt goes on at once, and nobody is armed. */
static void
nobody_is_armed(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autoptr(VmDriver) driver = vm_driver_accept(pair);
    g_autoptr(VmTool) send = vm_expect_send(pair, follow);
    crawl(pair->source);
    vm_driver_start(driver);
    expect_cancelled(driver);
    vm_expect_end(send, 60000, 1, "no destination is armed");
    vm_expect_at_home(pair);
}

int
main(int argc, char **argv)
{
    static char before[] = "before";
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_func("/follow-fails/nobody-starts-it", nobody_starts_it);
    g_test_add_func("/follow-fails/it-is-started-too-late",
                    it_is_started_too_late);
    g_test_add_data_func("/follow-fails/cancelled-at-the-switchover",
                         "pre-switchover", the_driver_cancels);
    g_test_add_func("/follow-fails/the-operator-stops-the-sender",
                    the_operator_stops_the_sender);
    g_test_add_func("/follow-fails/who-started-it-is-gone",
                    who_started_it_is_gone);
    g_test_add_data_func("/follow-fails/receiver-killed-before-the-start",
                         NULL, the_receiver_is_killed);
    g_test_add_data_func("/follow-fails/receiver-killed-at-the-switchover",
                         before, the_receiver_is_killed);
    g_test_add_data_func("/follow-fails/sender-killed-before-the-start", NULL,
                         the_sender_is_killed);
    g_test_add_data_func("/follow-fails/sender-killed-at-the-switchover",
                         before, the_sender_is_killed);
    g_test_add_func("/follow-fails/the-devices-do-not-fit",
                    the_devices_do_not_fit);
    g_test_add_func("/follow-fails/the-driver-takes-it-back",
                    the_driver_takes_it_back);
    g_test_add_func("/follow-fails/nobody-is-armed", nobody_is_armed);
    return g_test_run();
}
