/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * receive --follow --detach, which is what libvirt's hook runs: it returns 0
 * when QEMU may be given its guest, having let go of what it inherited, and the
 * work is done in the background; or 1 with the reason, and then nothing is
 * left. Also when the one who waits for it is killed; and only whoever has the
 * token gets the guest.
 */
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/support/vm-driver.h"
#include "tests/support/vm-expect.h"

#define WRONG "ffffffffffffffffffffffffffffffff\n"
#define RIGHT "00112233445566778899aabbccddeeff\n"

typedef struct {
    VmPair *pair;
    VmDriver *driver;
    char *directory, *right, *wrong, *log;
} Scene;

static char *
put(const Scene *scene, const char *name, const char *text)
{
    char *path = g_build_filename(scene->directory, name, NULL);
    g_assert_true(g_file_set_contents_full(
        path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, 0600, NULL));
    return path;
}

static bool
set_up(Scene *scene)
{
    g_autoptr(GError) error = NULL;
    *scene = (Scene){.pair = vm_expect_pair(64)};
    if (!scene->pair) {
        return false;
    }
    scene->driver = vm_driver_accept(scene->pair);
    scene->directory = vm_child_make_directory("postlude-detach", &error);
    g_assert_no_error(error);
    scene->right = put(scene, "right", RIGHT);
    scene->wrong = put(scene, "wrong", WRONG);
    scene->log = put(scene, "log", "");
    return true;
}

static void
tear_down(Scene *scene)
{
    vm_driver_free(scene->driver);
    vm_pair_free(scene->pair);
    vm_child_remove_directory(scene->directory);
    g_free(scene->directory);
    g_free(scene->right);
    g_free(scene->wrong);
    g_free(scene->log);
}

static VmTool *
send_with(Scene *scene, const char *token)
{
    const char *options[] = {"--follow", "--token-file", token,
                             "--peer-timeout", "20", NULL};
    return vm_expect_send(scene->pair, options);
}

static VmTool *
receive_with(Scene *scene, const char *token, const char *patience)
{
    const char *options[] = {"--follow", "--detach", "--log", scene->log,
                             "--token-file", token, "--peer-timeout",
                             patience, NULL};
    return vm_expect_receive(scene->pair, options);
}

static void
wait_for_log(Scene *scene, const char *words)
{
    for (int i = 0; i < 600; i++) {
        g_autofree char *text = NULL;
        g_file_get_contents(scene->log, &text, NULL, NULL);
        if (strstr(text, words)) {
            return;
        }
        g_usleep(50000);
    }
    g_error("\"%s\" is not in the log", words);
}

/* Processes that have SCENE's monitor in their arguments, but for QEMU. */
static unsigned
helpers(Scene *scene)
{
    unsigned n = 0;
    g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
    for (const char *name; (name = g_dir_read_name(proc));) {
        g_autofree char *path = g_build_filename("/proc", name, "cmdline",
                                                 NULL);
        g_autofree char *text = NULL;
        gsize bytes = 0;
        if (!g_ascii_isdigit(*name) ||
            !g_file_get_contents(path, &text, &bytes, NULL)) {
            continue;
        }
        for (gsize at = 0; at < bytes; at += strlen(text + at) + 1) {
            n += strcmp(text + at,
                        vm_qemu_tool_socket(scene->pair->destination)) == 0;
        }
    }
    return n;
}

static void
wait_until_none_is_left(Scene *scene)
{
    for (int i = 0; helpers(scene) > 0; i++) {
        g_assert_cmpint(i, <, 400);
        g_usleep(50000);
    }
}

static void
expect_nothing_left(Scene *scene)
{
    wait_until_none_is_left(scene);
    vm_expect_waiting(scene->pair);
}

static void
ready(void)
{
    Scene scene;
    if (!set_up(&scene)) {
        return;
    }
    g_autoptr(VmTool) send = send_with(&scene, scene.right);
    g_autoptr(VmTool) receive = receive_with(&scene, scene.right, "20");
    vm_expect_end(receive, 60000, 0, "");
    g_assert_true(vm_expect_capability(scene.pair->destination,
                                       "x-ignore-shared"));
    g_assert_cmpint(vm_look_userfaultfds(scene.pair->destination), ==, 1);
    g_assert_cmpuint(helpers(&scene), ==, 1);
    g_autofree char *said = vm_tool_stderr(receive);
    g_assert_null(strstr(said, "QEMU's migration to this QEMU may begin"));

    vm_driver_migrate(scene.driver);
    vm_expect_end(send, 60000, 0, "");
    wait_for_log(&scene, "QEMU's migration to this QEMU may begin");
    wait_until_none_is_left(&scene);
    wait_for_log(&scene, "completed");
    vm_expect_runs(scene.pair->destination);
    tear_down(&scene);
}

static void
wrong_token(void)
{
    Scene scene;
    if (!set_up(&scene)) {
        return;
    }
    g_autoptr(VmTool) send = send_with(&scene, scene.right);
    g_autoptr(VmTool) receive = receive_with(&scene, scene.wrong, "20");
    vm_expect_end(receive, 60000, 1, "not this migration's");
    expect_nothing_left(&scene);
    /* The source still waits for the right one. */
    g_autoptr(VmTool) again = receive_with(&scene, scene.right, "20");
    vm_expect_end(again, 60000, 0, "");
    vm_driver_migrate(scene.driver);
    vm_expect_end(send, 60000, 0, "refused a control connection");
    wait_until_none_is_left(&scene);
    vm_expect_runs(scene.pair->destination);
    tear_down(&scene);
}

static void
a_source_without_the_token(void)
{
    static const char *const follow[] = {"--follow", NULL};
    Scene scene;
    if (!set_up(&scene)) {
        return;
    }
    g_autoptr(VmTool) send = vm_expect_send(scene.pair, follow);
    g_autoptr(VmTool) receive = receive_with(&scene, scene.right, "20");
    vm_expect_end(receive, 60000, 1, "was not started with this token");
    vm_expect_end(send, 60000, 1, "");
    expect_nothing_left(&scene);
    vm_expect_at_home(scene.pair);
    tear_down(&scene);
}

static void
no_source(void)
{
    Scene scene;
    if (!set_up(&scene)) {
        return;
    }
    g_autoptr(VmTool) receive = receive_with(&scene, scene.right, "2");
    vm_expect_end(receive, 60000, 1, "no source");
    expect_nothing_left(&scene);
    tear_down(&scene);
}

/* --wait keeps the source from going on: armed, and not ready. */
static void
whoever_waits_is_killed(void)
{
    Scene scene;
    if (!set_up(&scene)) {
        return;
    }
    const char *options[] = {"--follow", "--wait", "--token-file",
                             scene.right, NULL};
    g_autoptr(VmTool) send = vm_expect_send(scene.pair, options);
    g_autoptr(VmTool) receive = receive_with(&scene, scene.right, "20");
    vm_expect_says(send, "the destination is armed; send SIGUSR1");
    g_assert_cmpint(vm_look_userfaultfds(scene.pair->destination), ==, 1);
    vm_child_kill(vm_tool_child(receive), SIGKILL);
    vm_child_wait(vm_tool_child(receive), 60000, NULL);
    vm_expect_end(send, 60000, 1, "stopped by the process that started it");
    expect_nothing_left(&scene);
    vm_expect_at_home(scene.pair);
    tear_down(&scene);
}

/* A token's file that others can read is no token's file. */
static void
an_open_token(void)
{
    Scene scene;
    if (!set_up(&scene)) {
        return;
    }
    g_assert_cmpint(chmod(scene.right, 0644), ==, 0);
    g_autoptr(VmTool) receive = receive_with(&scene, scene.right, "2");
    vm_expect_end(receive, 60000, 2, "mode 0600");
    expect_nothing_left(&scene);
    tear_down(&scene);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/detach/ready", ready);
    g_test_add_func("/detach/wrong-token", wrong_token);
    g_test_add_func("/detach/a-source-without-the-token",
                    a_source_without_the_token);
    g_test_add_func("/detach/no-source", no_source);
    g_test_add_func("/detach/whoever-waits-is-killed",
                    whoever_waits_is_killed);
    g_test_add_func("/detach/an-open-token", an_open_token);
    return g_test_run();
}
