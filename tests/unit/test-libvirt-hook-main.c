/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The hook's program: arguments, XML on stdin, exit status and last words, and
 * what it runs.
 */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/hook-scene.h"

/* What another version may say. */
static const char newer[] =
    "<p:guest xmlns:p='" LIBVIRT_METADATA_URI "'><p:unknown/></p:guest>";

static int
run(const HookScene *scene, const char *operation, const char *xml, char **said)
{
    return hook_scene_run(scene, HOOK_PATH, operation, xml, NULL, said);
}

static void
expect(const HookScene *scene, const char *xml, int status, const char *called,
       const char *words)
{
    g_autofree char *said = NULL, *text = NULL;
    g_assert_cmpint(run(scene, "started", xml, &said), ==, status);
    g_file_get_contents(scene->called, &text, NULL, NULL);
    if ((text != NULL) != (called != NULL)) {
        g_error("%s; it said: %s", text ? text : "not called", said);
    }
    if (called && !strstr(text, called)) {
        g_error("called with: %s", text);
    }
    if (words && !strstr(said, words)) {
        g_error("it said: %s", said);
    }
    g_autoptr(GDir) dir = g_dir_open(scene->directory, 0, NULL);
    for (const char *name; (name = g_dir_read_name(dir));) {
        g_assert_false(g_str_has_prefix(name, "token"));
    }
}

static void
test_receive(HookScene *scene, gconstpointer data)
{
    g_autofree char *xml = hook_scene_domain(HOOK_SCENE_RECEIVE);
    expect(scene, xml, 0,
           "receive --follow --detach --qmp /run/x.qmp --connect "
           "10.0.0.1:4711 --token-file", NULL);
    g_autofree char *text = NULL;
    g_file_get_contents(scene->called, &text, NULL, NULL);
    g_assert_nonnull(strstr(text, HOOK_SCENE_TOKEN "600\n"));
}

/* What a hook left that was killed; expect() finds no token. */
static void
test_sweep(HookScene *scene, gconstpointer data)
{
    g_autofree char *xml = hook_scene_domain(HOOK_SCENE_RECEIVE);
    g_autofree char *path =
        g_build_filename(scene->directory, "token-4194305-aB3xyz", NULL);
    const struct timespec long_ago[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    hook_scene_put(scene, "token-4194305-aB3xyz", HOOK_SCENE_TOKEN, 0600);
    g_assert_cmpint(utimensat(AT_FDCWD, path, long_ago, 0), ==, 0);
    expect(scene, xml, 0, "receive", NULL);
}

static void
test_refused(HookScene *scene, gconstpointer data)
{
    g_autofree char *xml = hook_scene_domain(HOOK_SCENE_RECEIVE);
    hook_scene_put(scene, "fails", "", 0600);
    expect(scene, xml, 1, "receive", "no, because");
    expect(scene, xml, 1, "receive", "domain 'vm': 'postlude receive' could");
}

static void
test_doubt(HookScene *scene, gconstpointer data)
{
    g_autofree char *xml = hook_scene_domain(newer);
    expect(scene, xml, 1, NULL, "not known to this version");
    g_free(scene->program);
    scene->program = g_strdup("/nowhere/postlude");
    g_autofree char *good = hook_scene_domain(HOOK_SCENE_RECEIVE);
    expect(scene, good, 1, NULL, "domain 'vm': ");
}

/* An ordinary start with what a migration left in the metadata, or what
 * another version wrote there. */
static void
test_not_incoming(HookScene *scene, gconstpointer data)
{
    g_autofree char *xml = hook_scene_domain(HOOK_SCENE_RECEIVE);
    expect(scene, xml, 0, NULL, "was not started for one");
    g_autofree char *unknown = hook_scene_domain(newer);
    expect(scene, unknown, 0, NULL, "not known to this version");
}

/* Whoever is refused because of what is left over is told what to do. */
static void
test_left_over(HookScene *scene, gconstpointer data)
{
    g_autofree char *xml = hook_scene_domain(HOOK_SCENE_RECEIVE);
    hook_scene_put(scene, "fails", "", 0600);
    expect(scene, xml, 1, "receive",
           "virsh metadata 'vm' " LIBVIRT_METADATA_URI " --remove --live");
}

/* Not knowing what QEMU was started for is none of a domain's business that
 * asks for nothing, and the end for one that has an address. */
static void
expect_doubt(const HookScene *scene, const char *why)
{
    g_autofree char *asks = hook_scene_domain(HOOK_SCENE_RECEIVE);
    g_autofree char *plain = hook_scene_domain("");
    expect(scene, asks, 1, NULL, why);
    expect(scene, asks, 1, NULL, "cannot be told");
    expect(scene, plain, 0, NULL, NULL);
}

static void
test_doubt_about_qemu(HookScene *scene, gconstpointer data)
{
    hook_scene_put(scene, "vm.pid", "many\n", 0600);
    expect_doubt(scene, "holds no process number");
    hook_scene_put(scene, "vm.pid", "0\n", 0600);
    expect_doubt(scene, "holds no process number");
    /* Above what Linux gives. */
    hook_scene_put(scene, "vm.pid", "4194305\n", 0600);
    expect_doubt(scene, "/proc/4194305/cmdline");
    g_autofree char *path = g_build_filename(scene->directory, "vm.pid", NULL);
    g_unlink(path);
    expect_doubt(scene, "vm.pid");
    scene->name = "../vm";
    expect_doubt(scene, "no '/' in it");
}

/* A process that has ended has no arguments any more. */
static void
test_doubt_about_a_zombie(HookScene *scene, gconstpointer data)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    siginfo_t info;
    g_assert_cmpint(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), ==, 0);
    g_autofree char *text = g_strdup_printf("%d\n", (int)pid);
    hook_scene_put(scene, "vm.pid", text, 0600);
    expect_doubt(scene, "has ended");
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
}

static void
test_collapse(HookScene *scene, gconstpointer data)
{
    g_autofree char *plain = hook_scene_domain("");
    expect(scene, plain, 0, NULL, NULL);
    hook_scene_put(scene, "conf",
                   "[libvirt]\ncollapse-after-migration=nonsense\n", 0600);
    expect(scene, plain, 0, NULL, "neither yes nor no");
    hook_scene_put(scene, "conf",
                   "[libvirt]\ncollapse-after-migration=yes\n", 0600);
    expect(scene, plain, 0,
           "collapse --after-migration --detach --domain vm", NULL);
    hook_scene_put(scene, "fails", "", 0600);
    expect(scene, plain, 0, "collapse", "could not be started");
}

static void
test_other_operations(HookScene *scene, gconstpointer data)
{
    static const char *const operations[] = {"prepare", "start", "stopped",
                                             "release", "migrate"};
    g_autofree char *xml = hook_scene_domain(HOOK_SCENE_RECEIVE);
    for (unsigned i = 0; i < G_N_ELEMENTS(operations); i++) {
        g_autofree char *said = NULL;
        g_assert_cmpint(run(scene, operations[i], xml, &said), ==, 0);
        g_assert_false(g_file_test(scene->called, G_FILE_TEST_EXISTS));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    HOOK_SCENE_ADD("receive", NULL, test_receive);
    HOOK_SCENE_ADD("sweep", NULL, test_sweep);
    HOOK_SCENE_ADD("refused", NULL, test_refused);
    HOOK_SCENE_ADD("doubt", NULL, test_doubt);
    HOOK_SCENE_ADD("not-incoming", "-S", test_not_incoming);
    HOOK_SCENE_ADD("left-over", NULL, test_left_over);
    HOOK_SCENE_ADD("doubt-about-qemu", NULL, test_doubt_about_qemu);
    HOOK_SCENE_ADD("doubt-about-a-zombie", NULL, test_doubt_about_a_zombie);
    HOOK_SCENE_ADD("collapse", NULL, test_collapse);
    HOOK_SCENE_ADD("other-operations", NULL, test_other_operations);
    return g_test_run();
}
