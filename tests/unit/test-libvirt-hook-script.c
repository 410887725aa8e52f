/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The script that libvirt runs: whom it hands on to the hook's program, whom it
 * lets through when that cannot be run, and how long a domain that asks for
 * nothing has to wait.
 */
#include <signal.h>
#include <string.h>

#include "base/fd.h"
#include "tests/unit/hook-scene.h"

#define TRIES 30
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LIMIT_NS UINT64_C(100000000) /* to start takes longer than that */
#else
#define LIMIT_NS UINT64_C(10000000)
#endif

/* libvirt takes for the domain's XML what is printed, if anything is. */
static void
test_restore(HookScene *scene, gconstpointer data)
{
    g_autofree char *xml = hook_scene_domain(HOOK_SCENE_RECEIVE);
    g_autofree char *plain = hook_scene_domain("");
    g_autofree char *printed = NULL, *nothing = NULL;
    g_autofree char *said = NULL, *silence = NULL;
    g_assert_cmpint(hook_scene_run(scene, scene->script, "restore", xml,
                                   &printed, &said), ==, 0);
    g_assert_true(g_str_has_prefix(printed, "<domain "));
    g_assert_null(strstr(printed, HOOK_SCENE_TOKEN));
    g_assert_nonnull(strstr(printed, "path=/run/x.qmp"));
    g_assert_cmpstr(said, ==, "");
    g_assert_cmpint(hook_scene_run(scene, scene->script, "restore", plain,
                                   &nothing, &silence), ==, 0);
    g_assert_cmpstr(nothing, ==, "");
    g_assert_false(g_file_test(scene->called, G_FILE_TEST_EXISTS));
}

static void
expect_script(const HookScene *scene, const char *operation, const char *xml,
              int status, const char *words)
{
    g_autofree char *said = NULL, *printed = NULL;
    int ended = hook_scene_run(scene, scene->script, operation, xml, &printed,
                               &said);
    if (ended != status || (words ? !strstr(said, words) : *said != '\0')) {
        g_error("%s: exit status %d, and it said: %s", operation, ended, said);
    }
    g_assert_cmpstr(printed, ==, "");
}

/* The script that libvirt runs: how it answers to whoever asks for it, and that
 * all else gets through. */
static void
test_script(HookScene *scene, gconstpointer data)
{
    g_autofree char *xml = hook_scene_domain(HOOK_SCENE_RECEIVE);
    expect_script(scene, "prepare", xml, 0, NULL);
    expect_script(scene, "stopped", xml, 0, NULL);
    scene->name = "postlude-probe";
    expect_script(scene, "release", xml, 0, NULL);
    expect_script(scene, "prepare", xml, 1, "postlude hook ready\n");
}

/* To the last byte, however long: the pipe takes 64 KiB at once. */
static void
test_script_hands_on(HookScene *scene, gconstpointer data)
{
    g_autofree char *padding = g_strnfill(200000, ' ');
    g_autofree char *metadata = g_strconcat(padding, HOOK_SCENE_RECEIVE, NULL);
    g_autofree char *xml = hook_scene_domain(metadata);
    expect_script(scene, "started", xml, 0, NULL);
    g_autofree char *text = NULL;
    g_file_get_contents(scene->called, &text, NULL, NULL);
    g_assert_nonnull(text);
    g_assert_nonnull(strstr(text, "--connect 10.0.0.1:4711 --token-file"));
    hook_scene_put(scene, "fails", "", 0600);
    expect_script(scene, "started", xml, 1, "no, because");
}

/* Domains that ask for nothing do not suffer for a program that is broken, and
 * those that ask are not started unarmed. */
static void
expect_broken(const HookScene *scene, const char *why)
{
    g_autofree char *padding = g_strnfill(200000, '\n');
    g_autofree char *metadata = g_strconcat(padding, HOOK_SCENE_RECEIVE, NULL);
    g_autofree char *asks = hook_scene_domain(metadata);
    g_autofree char *plain = hook_scene_domain(padding);
    expect_script(scene, "started", asks, 1, "it asks for it");
    expect_script(scene, "started", asks, 1, why);
    expect_script(scene, "started", plain, 0, "it does not ask for it");
    expect_script(scene, "started", plain, 0, why);
    expect_script(scene, "restore", asks, 0, why);
    expect_script(scene, "prepare", asks, 0, NULL);
    g_assert_false(g_file_test(scene->called, G_FILE_TEST_EXISTS));
}

static void
test_script_without_program(HookScene *scene, gconstpointer data)
{
    g_free(scene->hook);
    scene->hook = g_build_filename(scene->directory, "program-hook", NULL);
    expect_broken(scene, scene->hook);
    hook_scene_put(scene, "program-hook", "#!/bin/sh\n", 0600);
    expect_broken(scene, "denied");
    hook_scene_put(scene, "program-hook", "#!/nowhere/interpreter\n", 0700);
    expect_broken(scene, scene->hook);
    hook_scene_put(scene, "program-hook", "", 0700); /* half an installation */
    expect_broken(scene, scene->hook);
}

/* What the dynamic loader says, and its exit status. */
static void
test_script_without_library(HookScene *scene, gconstpointer data)
{
    g_free(scene->hook);
    scene->hook = g_build_filename(scene->directory, "program-hook", NULL);
    hook_scene_put(
        scene, "program-hook",
        "#!/bin/sh\n"
        "echo 'libxml2.so.2: cannot open shared object file' >&2\nexit 127\n",
        0700);
    expect_broken(scene, "libxml2.so.2: cannot open shared object file");
    scene->name = "postlude-probe";
    g_autofree char *xml = hook_scene_domain("");
    expect_script(scene, "prepare", xml, 1, "so no guest can arrive");
}

/* A shell and one program, as the script is. */
static uint64_t
time_of_nothing_ns(void)
{
    const char *argv[] = {"sh", "-c", "/bin/true; exit 0", NULL};
    int status = 0;
    uint64_t before = fd_now_ns();
    g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH,
                               NULL, NULL, NULL, NULL, &status, NULL));
    g_assert_cmpint(status, ==, 0);
    return fd_now_ns() - before;
}

/* The quickest of some, beside a program that does nothing, because the machine
 * may be at other work, or slow. */
static void
test_time(HookScene *scene, gconstpointer data)
{
    g_autoptr(GString) metadata = g_string_new(NULL);
    for (unsigned i = 0; i < 500; i++) {
        g_string_append_printf(metadata, "<x:y xmlns:x='urn:%u'>text</x:y>", i);
    }
    g_autofree char *xml = hook_scene_domain(metadata->str);
    uint64_t best = UINT64_MAX, base = UINT64_MAX;
    for (unsigned i = 0; i < TRIES; i++) {
        g_autofree char *said = NULL;
        uint64_t before = fd_now_ns();
        g_assert_cmpint(hook_scene_run(scene, scene->script, "started", xml,
                                       NULL, &said), ==, 0);
        best = MIN(best, fd_now_ns() - before);
        base = MIN(base, time_of_nothing_ns());
    }
    g_test_minimized_result((double)best / 1e6, "%.1f ms", (double)best / 1e6);
    g_assert_cmpuint(best, <, MAX(LIMIT_NS, 6 * base));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    HOOK_SCENE_ADD("restore", NULL, test_restore);
    HOOK_SCENE_ADD("script", NULL, test_script);
    HOOK_SCENE_ADD("script-hands-on", NULL, test_script_hands_on);
    HOOK_SCENE_ADD("script-without-program", NULL, test_script_without_program);
    HOOK_SCENE_ADD("script-without-library", NULL, test_script_without_library);
    HOOK_SCENE_ADD("time", NULL, test_time);
    return g_test_run();
}
