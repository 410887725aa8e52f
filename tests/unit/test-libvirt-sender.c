/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The sender as a child, played by a shell: its words are heard, the end of our
 * pipe reaches it, how it ended is told, who was killed has a successor, and a
 * scope is made or done without.
 */
#include <string.h>
#include <glib/gstdio.h>

#include "libvirt/libvirt-sender.h"

typedef struct {
    GMainLoop *loop;
    LibvirtSender *sender;
    const char *until; /* a word, or NULL: its end */
    char *directory;   /* of the program that plays it */
    const char *unit;
} Scene;

static bool
is_there(const Scene *scene)
{
    return scene->sender &&
           (scene->until
                ? libvirt_sender_has_said(scene->sender, scene->until)
                : libvirt_sender_has_ended(scene->sender));
}

static void
on_change(gpointer data)
{
    Scene *scene = data;
    if (is_there(scene)) {
        g_main_loop_quit(scene->loop);
    }
}

static gboolean
give_up(gpointer data)
{
    g_error("the child did not do what it should");
    return G_SOURCE_REMOVE;
}

static void
wait_for(Scene *scene, const char *word)
{
    scene->until = word;
    guint limit = g_timeout_add_seconds(20, give_up, NULL);
    if (!is_there(scene)) {
        g_main_loop_run(scene->loop);
    }
    g_source_remove(limit);
}

static char *
write_program(const Scene *scene, const char *name, const char *head,
              const char *script)
{
    char *path = g_build_filename(scene->directory, name, NULL);
    g_autofree char *text = g_strconcat("#!/bin/sh\n", head, script, NULL);
    g_autoptr(GError) error = NULL;
    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_chmod(path, 0700), ==, 0);
    return path;
}

/* SCRIPT sees the arguments as they would be postlude's; say WORD PAST writes
 * a line, parent waits for the end of the parent's pipe. */
static void
start(Scene *scene, const char *script)
{
    static const char head[] =
        "for a; do case $a in --parent-fd=*) p=${a#*=};; "
        "--events-fd=*) e=${a#*=};; esac; done\n"
        "say() { eval \"printf '{\\\"stage\\\":\\\"%s\\\","
        "\\\"past_no_return\\\":%s,\\\"new\\\":[1]}\\n' $1 $2 >&$e\"; }\n"
        "parent() { eval \"cat <&$p\" >/dev/null; }\n";
    g_autofree char *path = write_program(scene, "postlude", head, script);
    g_autoptr(GError) error = NULL;
    static const char *const more[] = {"--insecure", NULL};
    const LibvirtSenderOptions options = {.program = path,
                                          .qmp_path = "/q",
                                          .listen = "h:1",
                                          .token_path = "/t",
                                          .more = more,
                                          .unit = scene->unit,
                                          .domain = "web 1"};
    scene->sender = libvirt_sender_start(&options, on_change, scene, &error);
    g_assert_no_error(error);
    wait_for(scene, "up");
}

static void
scene_init(Scene *scene)
{
    *scene = (Scene){.loop = g_main_loop_new(NULL, false),
                     .directory = g_dir_make_tmp("sender-XXXXXX", NULL)};
    g_assert_nonnull(scene->directory);
}

static void
scene_clear(Scene *scene)
{
    static const char *const names[] = {"postlude", "systemd-run"};
    g_clear_pointer(&scene->sender, libvirt_sender_free);
    g_main_loop_unref(scene->loop);
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *path =
            g_build_filename(scene->directory, names[i], NULL);
        g_remove(path);
    }
    g_rmdir(scene->directory);
    g_free(scene->directory);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Scene, scene_clear)

static void
test_words(void)
{
    g_auto(Scene) scene;
    scene_init(&scene);
    start(&scene,
          "[ \"$1 $2 $3 $4 $5 $6 $7 $8\" = 'send --follow --qmp /q --listen "
          "h:1 --token-file /t' ] || exit 9\n"
          "case \"$*\" in *--insecure*) ;; *) exit 8;; esac\n"
          "say up false; say armed false; say running true; exit 0");
    wait_for(&scene, NULL);
    g_assert_cmpint(libvirt_sender_exit_status(scene.sender), ==, 0);
    g_assert_true(libvirt_sender_has_said(scene.sender, "armed"));
    g_assert_false(libvirt_sender_has_said(scene.sender, "ready"));
    g_assert_true(libvirt_sender_is_past_no_return(scene.sender));
    g_assert_cmpstr(libvirt_sender_line(scene.sender)->stage, ==, "running");
}

static void
test_cancel(void)
{
    g_auto(Scene) scene;
    scene_init(&scene);
    start(&scene, "say up false; parent; say over false; exit 1");
    g_assert_false(libvirt_sender_has_ended(scene.sender));
    libvirt_sender_cancel(scene.sender);
    wait_for(&scene, NULL);
    g_assert_true(libvirt_sender_has_said(scene.sender, "over"));
    g_assert_cmpint(libvirt_sender_exit_status(scene.sender), ==, 1);
}

/* Killed before it had changed anything: where the guest is depends on how far
 * it was, and nobody has to take over. */
static void
test_killed(gconstpointer past)
{
    g_auto(Scene) scene;
    scene_init(&scene);
    g_autofree char *script =
        g_strdup_printf("say up %s; kill -KILL $$", (const char *)past);
    start(&scene, script);
    wait_for(&scene, NULL);
    g_assert_cmpint(libvirt_sender_exit_status(scene.sender), ==,
                    strcmp(past, "true") == 0 ? 3 : 1);
    g_assert_false(libvirt_sender_left_work(scene.sender));
    g_assert_nonnull(strstr(libvirt_sender_end(scene.sender), "signal 9"));
}

#define KILLED                                                                \
    "[ $2 = --resume ] || { say up false; say switchover false; "             \
    "kill -KILL $$; }\n"

static void
expect_successor(void)
{
    g_test_expect_message("libvirt", G_LOG_LEVEL_WARNING,
                          "*signal 9*send --resume*takes over*");
}

/* The successor is the sender from then on: its words, the end of our pipe, its
 * exit status. */
static void
test_resumed(void)
{
    g_auto(Scene) scene;
    scene_init(&scene);
    expect_successor();
    start(&scene, KILLED
          "[ \"$1 $2 $3 $4\" = 'send --resume --qmp /q' ] || exit 9\n"
          "case \"$*\" in *--listen*|*--token*) exit 8;; esac\n"
          "say postcopy true; parent; say over true; exit 0");
    wait_for(&scene, "postcopy");
    g_test_assert_expected_messages();
    g_assert_true(libvirt_sender_is_past_no_return(scene.sender));
    g_assert_false(libvirt_sender_has_ended(scene.sender));
    libvirt_sender_cancel(scene.sender);
    wait_for(&scene, NULL);
    g_assert_cmpint(libvirt_sender_exit_status(scene.sender), ==, 0);
    g_assert_false(libvirt_sender_left_work(scene.sender));
}

/* It took back what there was to take back. */
static void
test_taken_back(void)
{
    g_auto(Scene) scene;
    scene_init(&scene);
    expect_successor();
    start(&scene, KILLED
          "eval \"printf '{\\\"stage\\\":\\\"over\\\",\\\"exit\\\":1,"
          "\\\"reason\\\":\\\"taken back\\\"}\n' >&$e\"; exit 1");
    wait_for(&scene, NULL);
    g_test_assert_expected_messages();
    g_assert_cmpint(libvirt_sender_exit_status(scene.sender), ==, 1);
    g_assert_cmpstr(libvirt_sender_end(scene.sender), ==, "taken back");
    g_assert_false(libvirt_sender_left_work(scene.sender));
}

/* Nobody is to be killed for ever. */
static void
test_killed_twice(void)
{
    g_auto(Scene) scene;
    scene_init(&scene);
    expect_successor();
    start(&scene, KILLED "say postcopy true; kill -KILL $$");
    wait_for(&scene, NULL);
    g_test_assert_expected_messages();
    g_assert_cmpint(libvirt_sender_exit_status(scene.sender), ==, 3);
    g_assert_true(libvirt_sender_left_work(scene.sender));
    g_assert_nonnull(strstr(libvirt_sender_end(scene.sender), "signal 9"));
}

/* It did not get so far as to look at QEMU. */
static void
test_not_resumed(void)
{
    g_auto(Scene) scene;
    scene_init(&scene);
    expect_successor();
    start(&scene, KILLED "exit 1");
    wait_for(&scene, NULL);
    g_test_assert_expected_messages();
    g_assert_cmpint(libvirt_sender_exit_status(scene.sender), ==, 1);
    g_assert_true(libvirt_sender_left_work(scene.sender));
    g_assert_cmpstr(libvirt_sender_end(scene.sender), ==,
                    "its sender was killed");
}

/* After its last word there was nothing left to do. */
static void
test_killed_when_over(void)
{
    g_auto(Scene) scene;
    scene_init(&scene);
    start(&scene,
          "say up true; say switchover true; eval \"printf '{\\\"stage\\\":"
          "\\\"over\\\",\\\"exit\\\":0}\n' >&$e\"; kill -KILL $$");
    wait_for(&scene, NULL);
    g_assert_cmpint(libvirt_sender_exit_status(scene.sender), ==, 0);
    g_assert_false(libvirt_sender_left_work(scene.sender));
}

static char *
use_path(const Scene *scene)
{
    char *before = g_strdup(g_getenv("PATH"));
    g_setenv("PATH", scene->directory, true);
    return before;
}

/* systemd-run becomes the sender: the same process, with its pipes. */
static void
test_scope(void)
{
    g_auto(Scene) scene;
    scene_init(&scene);
    scene.unit = "postlude-send-7";
    g_autofree char *run = write_program(
        &scene, "systemd-run", "",
        "[ \"$1 $2 $3\" = '--quiet --collect --scope' ] || exit 9\n"
        "[ \"$4\" = --unit=postlude-send-7 ] || exit 8\n"
        "[ \"$5\" = '--description=Postlude: memory of domain web 1' ] || "
        "exit 7\n"
        "[ \"$6\" = -- ] || exit 6\n"
        "shift 6; export RUN_PID=$$; exec \"$@\"");
    g_autofree char *before = use_path(&scene);
    start(&scene, "[ $RUN_PID = $$ ] && [ $1 = send ] && say up false; exit 0");
    g_setenv("PATH", before, true);
    wait_for(&scene, NULL);
    g_assert_cmpint(libvirt_sender_exit_status(scene.sender), ==, 0);
}

/* It refuses, or is not there: better in our cgroup than not at all. */
static void
test_no_scope(gconstpointer refuses)
{
    g_auto(Scene) scene;
    scene_init(&scene);
    scene.unit = "postlude-send-7";
    g_autofree char *run =
        refuses ? write_program(&scene, "systemd-run", "", "exit 1") : NULL;
    g_autofree char *before = use_path(&scene);
    g_test_expect_message("libvirt", G_LOG_LEVEL_WARNING,
                          "*has no scope of its own*last page*");
    start(&scene, "say up false; exit 5");
    g_setenv("PATH", before, true);
    g_test_assert_expected_messages();
    wait_for(&scene, NULL);
    g_assert_cmpint(libvirt_sender_exit_status(scene.sender), ==, 5);
}

/* Nonsense on the pipe is told and skipped. */
static void
test_nonsense(void)
{
    g_auto(Scene) scene;
    scene_init(&scene);
    g_test_expect_message("libvirt", G_LOG_LEVEL_WARNING, "*sender said*");
    start(&scene, "eval \"echo nonsense >&$e\"; say up false; parent");
    g_test_assert_expected_messages();
}

static void
test_no_program(void)
{
    g_auto(Scene) scene;
    scene_init(&scene);
    const LibvirtSenderOptions options = {.program = "/nowhere/postlude",
                                          .qmp_path = "/q",
                                          .listen = "h:1",
                                          .token_path = "/t"};
    g_autoptr(GError) error = NULL;
    g_assert_null(libvirt_sender_start(&options, on_change, &scene, &error));
    g_assert_nonnull(strstr(error->message, "/nowhere/postlude"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/sender/words", test_words);
    g_test_add_func("/sender/cancel", test_cancel);
    g_test_add_data_func("/sender/killed/before", "false", test_killed);
    g_test_add_data_func("/sender/killed/after", "true", test_killed);
    g_test_add_func("/sender/resumed", test_resumed);
    g_test_add_func("/sender/taken-back", test_taken_back);
    g_test_add_func("/sender/killed-twice", test_killed_twice);
    g_test_add_func("/sender/not-resumed", test_not_resumed);
    g_test_add_func("/sender/killed-when-over", test_killed_when_over);
    g_test_add_func("/sender/scope", test_scope);
    g_test_add_data_func("/sender/scope/refused", "yes", test_no_scope);
    g_test_add_data_func("/sender/scope/not-there", NULL, test_no_scope);
    g_test_add_func("/sender/nonsense", test_nonsense);
    g_test_add_func("/sender/no-program", test_no_program);
    return g_test_run();
}
