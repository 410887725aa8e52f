/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The runnable stories in examples/: each comes to the end that it promises,
 * and leaves no process and no file behind, also when it is interrupted.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/support/vm-qemu.h"

#define STORY_MS 200000
#define END_MS 20000

typedef struct {
    const char *script;
    const char *mib;
    const char *verdict;
    bool libvirt; /* it needs that, too */
} Story;

static const Story stories[] = {
    {"examples/demo.sh", "64", "OK: no wrong word, ", false},
    {"examples/collapse-running-vm.sh", "64", "OK: no wrong word, ", false},
    {"examples/libvirt-two-hosts.sh", "32", "OK: no wrong word, moved there "
     "and back", true},
};

typedef struct {
    char *directory; /* its $TMPDIR, which is part of each QEMU's arguments */
    char *tmp, *out, *err;
    VmChild *child;
    int status;
} Run;

static void
start(Run *run, const Story *story)
{
    g_autoptr(GError) error = NULL;
    run->directory = vm_child_make_directory("postlude-example", &error);
    g_assert_no_error(error);
    run->tmp = g_build_filename(run->directory, "tmp", NULL);
    run->out = g_build_filename(run->directory, "stdout", NULL);
    run->err = g_build_filename(run->directory, "stderr", NULL);
    g_assert_cmpint(g_mkdir_with_parents(run->tmp, 0755), ==, 0);
    g_autofree char *script = g_build_filename(SOURCE_ROOT, story->script,
                                               NULL);
    g_autofree char *tmpdir = g_strdup_printf("TMPDIR=%s", run->tmp);
    const char *argv[] = {script,    "--no-install", "--build",
                          BUILD_ROOT, "--mib",        story->mib, NULL};
    const char *environment[] = {tmpdir, NULL};
    VmChildOptions options = {.argv = argv,
                              .environment = environment,
                              .stdout_path = run->out,
                              .stderr_path = run->err};
    run->child = vm_child_start(&options, &error);
    g_assert_no_error(error);
}

static char *
text_of(const char *path)
{
    char *text = NULL;
    return g_file_get_contents(path, &text, NULL, NULL) ? text : g_strdup("");
}

/* The script has to end before anything is claimed: its QEMUs are no children
 * of ours, it alone cleans them up. */
static bool
finish(Run *run, int timeout_ms)
{
    bool in_time = vm_child_wait(run->child, timeout_ms, &run->status);
    if (!in_time) {
        vm_child_kill(run->child, SIGTERM);
        vm_child_wait(run->child, END_MS, &run->status);
    }
    return in_time;
}

static unsigned
processes_of(const Run *run)
{
    g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
    unsigned n = 0;
    const char *name;
    while ((name = g_dir_read_name(proc))) {
        g_autofree char *path = g_build_filename("/proc", name, "cmdline",
                                                 NULL);
        g_autofree char *line = NULL;
        gsize bytes = 0;
        if (!g_ascii_isdigit(*name) ||
            !g_file_get_contents(path, &line, &bytes, NULL)) {
            continue;
        }
        for (gsize i = 0; i < bytes; i++) {
            line[i] = line[i] ? line[i] : ' ';
        }
        n += strstr(line, run->tmp) != NULL;
    }
    return n;
}

static void
expect_nothing_left(const Run *run)
{
    g_autoptr(GDir) dir = g_dir_open(run->tmp, 0, NULL);
    g_assert_nonnull(dir);
    const char *name = g_dir_read_name(dir);
    if (name) {
        g_error("it left %s in its directory", name);
    }
    uint64_t deadline = fd_deadline_ns(END_MS);
    while (processes_of(run) && fd_now_ns() < deadline) {
        g_usleep(20000);
    }
    g_assert_cmpuint(processes_of(run), ==, 0);
}

static void
clear(Run *run)
{
    vm_child_free(run->child);
    rmdir(run->tmp);
    vm_child_remove_directory(run->directory);
    g_free(run->directory);
    g_free(run->tmp);
    g_free(run->out);
    g_free(run->err);
}

static char *
why_no_libvirt(void)
{
    g_autofree char *path = g_strconcat(g_getenv("PATH"), ":/usr/sbin", NULL);
    g_setenv("PATH", path, TRUE);
    g_autofree char *daemon = g_find_program_in_path("libvirtd");
    if (!daemon) {
        return g_strdup("there is no libvirtd here");
    }
    return access(BUILD_ROOT "/cli/postlude-libvirt", X_OK) == 0
               ? NULL
               : g_strdup("built without libvirt");
}

static bool
skip(const Story *story)
{
    char *why = vm_qemu_why_not(VM_QEMU_HOST, false);
    return vm_qemu_skip(why || !story->libvirt ? why : why_no_libvirt());
}

static void
test_ends_well(gconstpointer data)
{
    const Story *story = data;
    Run run = {0};
    if (skip(story)) {
        return;
    }
    start(&run, story);
    bool in_time = finish(&run, STORY_MS);
    g_autofree char *out = text_of(run.out);
    g_autofree char *err = text_of(run.err);
    if (!in_time || !WIFEXITED(run.status) || WEXITSTATUS(run.status) != 0 ||
        !strstr(out, story->verdict)) {
        g_error("%s (status %#x, %s): %s%s", story->script,
                (unsigned)run.status, in_time ? "in time" : "too late", out,
                err);
    }
    g_test_message("%s", out);
    expect_nothing_left(&run);
    clear(&run);
}

static void
test_interrupted(gconstpointer data)
{
    const Story *story = data;
    Run run = {0};
    if (skip(story)) {
        return;
    }
    start(&run, story);
    uint64_t deadline = fd_deadline_ns(STORY_MS);
    unsigned running;
    while ((running = processes_of(&run)) < 2 && fd_now_ns() < deadline &&
           !vm_child_has_ended(run.child, NULL)) {
        g_usleep(20000);
    }
    vm_child_kill(run.child, SIGINT);
    bool in_time = finish(&run, END_MS);
    g_assert_cmpuint(running, >=, 2);
    g_assert_true(in_time);
    g_assert_true(WIFEXITED(run.status));
    g_assert_cmpint(WEXITSTATUS(run.status), ==, 130);
    expect_nothing_left(&run);
    clear(&run);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(stories); i++) {
        g_autofree char *name = g_path_get_basename(stories[i].script);
        g_autofree char *well = g_strdup_printf("/examples/%s/ends-well",
                                                name);
        g_autofree char *interrupted = g_strdup_printf(
            "/examples/%s/interrupted", name);
        g_test_add_data_func(well, &stories[i], test_ends_well);
        g_test_add_data_func(interrupted, &stories[i], test_interrupted);
    }
    return g_test_run();
}
