/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A host for libvirt's hook: see hook-scene.h.
 */
#include "tests/unit/hook-scene.h"

#include <glib/gstdio.h>

void
hook_scene_put(const HookScene *scene, const char *name, const char *text,
               int mode)
{
    g_autofree char *path = g_build_filename(scene->directory, name, NULL);
    g_assert_true(g_file_set_contents_full(path, text, -1,
                                           G_FILE_SET_CONTENTS_CONSISTENT, mode,
                                           NULL));
}

/* Something that was started with -incoming, and ends with us. */
static void
start_qemu(HookScene *scene, const char *argument)
{
    g_autoptr(GError) error = NULL;
    scene->qemu = g_subprocess_new(G_SUBPROCESS_FLAGS_STDIN_PIPE, &error,
                                   "sh", "-c", "read nothing", "qemu",
                                   argument, "defer", NULL);
    g_assert_no_error(error);
    g_autofree char *pid = g_strdup_printf(
        "%s\n", g_subprocess_get_identifier(scene->qemu));
    hook_scene_put(scene, "vm.pid", pid, 0600);
}

/* Whoever built it was not told to make it executable. */
static void
install_script(HookScene *scene)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    g_file_get_contents(SCRIPT_PATH, &text, NULL, &error);
    g_assert_no_error(error);
    hook_scene_put(scene, "script", text, 0700);
}

static const char program[] =
    "#!/bin/sh\n"
    "echo \"$*\" >\"$POSTLUDE_RUN/called\"\n"
    "while [ $# -gt 0 ]; do\n"
    "  [ \"$1\" != --token-file ] || { cat \"$2\"; stat -c %a \"$2\"; }\\\n"
    "    >>\"$POSTLUDE_RUN/called\"\n"
    "  shift\n"
    "done\n"
    "[ ! -e \"$POSTLUDE_RUN/fails\" ] || { echo 'no, because' >&2; exit 1; }\n";

void
hook_scene_set_up(HookScene *scene, gconstpointer data)
{
    const char *argument = data;
    scene->directory = g_dir_make_tmp("postlude-hook-XXXXXX", NULL);
    scene->called = g_build_filename(scene->directory, "called", NULL);
    scene->program = g_build_filename(scene->directory, "program", NULL);
    scene->script = g_build_filename(scene->directory, "script", NULL);
    scene->printed = g_build_filename(scene->directory, "printed", NULL);
    scene->said = g_build_filename(scene->directory, "said", NULL);
    scene->hook = g_strdup(HOOK_PATH);
    scene->name = "vm";
    install_script(scene);
    hook_scene_put(scene, "program", program, 0700);
    start_qemu(scene, argument ? argument : "-incoming");
}

void
hook_scene_tear_down(HookScene *scene, gconstpointer data)
{
    g_subprocess_force_exit(scene->qemu);
    g_subprocess_wait(scene->qemu, NULL, NULL);
    g_object_unref(scene->qemu);
    g_autoptr(GDir) dir = g_dir_open(scene->directory, 0, NULL);
    for (const char *name; (name = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(scene->directory, name, NULL);
        g_unlink(path);
    }
    g_rmdir(scene->directory);
    g_free(scene->directory);
    g_free(scene->called);
    g_free(scene->program);
    g_free(scene->script);
    g_free(scene->hook);
    g_free(scene->printed);
    g_free(scene->said);
}

char *
hook_scene_domain(const char *metadata)
{
    return g_strdup_printf(
        "<domain type='kvm' "
        "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>"
        "<name>vm</name><memory unit='MiB'>64</memory><metadata>%s</metadata>"
        "<qemu:commandline><qemu:arg value='-chardev'/>"
        "<qemu:arg value='socket,id=c,path=/run/x.qmp,server=on,wait=off'/>"
        "<qemu:arg value='-mon'/><qemu:arg value='chardev=c,mode=control'/>"
        "</qemu:commandline></domain>",
        metadata);
}

static GSubprocessLauncher *
make_launcher(const HookScene *scene)
{
    g_autofree char *conf = g_build_filename(scene->directory, "conf", NULL);
    GSubprocessLauncher *launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDIN_PIPE);
    g_subprocess_launcher_set_stdout_file_path(launcher, scene->printed);
    g_subprocess_launcher_set_stderr_file_path(launcher, scene->said);
    const char *settings[][2] = {
        {"POSTLUDE", scene->program},
        {"POSTLUDE_CONF", conf},
        {"POSTLUDE_RUN", scene->directory},
        {"POSTLUDE_LIBVIRT_RUN", scene->directory},
        {"POSTLUDE_HOOK", scene->hook},
        {"POSTLUDE_RUN_SYSTEMD", "/nowhere"}};
    for (unsigned i = 0; i < G_N_ELEMENTS(settings); i++) {
        g_subprocess_launcher_setenv(launcher, settings[i][0], settings[i][1],
                                     true);
    }
    return launcher;
}

static char *
take_file(const char *path)
{
    g_autoptr(GError) error = NULL;
    char *text = NULL;
    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    g_unlink(path);
    return text;
}

int
hook_scene_run(const HookScene *scene, const char *path,
               const char *operation, const char *xml, char **printed,
               char **said)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocessLauncher) launcher = make_launcher(scene);
    g_autoptr(GSubprocess) hook = g_subprocess_launcher_spawn(
        launcher, &error, path, scene->name, operation, "begin", "-", NULL);
    g_assert_no_error(error);
    g_subprocess_communicate_utf8(hook, xml, NULL, NULL, NULL, &error);
    /* It need not read what it does not want to know, to libvirt as to us. */
    if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE)) {
        g_assert_no_error(error);
    }
    g_assert_true(g_subprocess_wait(hook, NULL, NULL));
    g_autofree char *output = take_file(scene->printed);
    if (printed) {
        *printed = g_steal_pointer(&output);
    }
    *said = take_file(scene->said);
    return g_subprocess_get_exit_status(hook);
}
