/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The hook as libvirt runs it: arguments, XML on stdin, exit status and last
 * words, with a program in the place of postlude that notes how it was called;
 * and how long a domain that asks for nothing has to wait.
 */
#include <fcntl.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "libvirt/libvirt-metadata.h"

#define TOKEN "00112233445566778899aabbccddeeff"
#define TRIES 30
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define LIMIT_NS UINT64_C(100000000) /* to start takes longer than that */
#else
#define LIMIT_NS UINT64_C(10000000)
#endif

typedef struct {
    char *directory, *called, *program, *script, *hook, *printed, *said;
    const char *name; /* of the domain */
    GSubprocess *qemu;
} Host;

static void
put(const Host *host, const char *name, const char *text, int mode)
{
    g_autofree char *path = g_build_filename(host->directory, name, NULL);
    g_assert_true(g_file_set_contents_full(path, text, -1,
                                           G_FILE_SET_CONTENTS_CONSISTENT, mode,
                                           NULL));
}

/* Something that was started with -incoming, and ends with us. */
static void
start_qemu(Host *host, const char *argument)
{
    g_autoptr(GError) error = NULL;
    host->qemu = g_subprocess_new(G_SUBPROCESS_FLAGS_STDIN_PIPE, &error,
                                  "sh", "-c", "read nothing", "qemu",
                                  argument, "defer", NULL);
    g_assert_no_error(error);
    g_autofree char *pid = g_strdup_printf(
        "%s\n", g_subprocess_get_identifier(host->qemu));
    put(host, "vm.pid", pid, 0600);
}

/* Whoever built it was not told to make it executable. */
static void
install_script(Host *host)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    g_file_get_contents(SCRIPT_PATH, &text, NULL, &error);
    g_assert_no_error(error);
    put(host, "script", text, 0700);
}

static void
set_up(Host *host, gconstpointer data)
{
    const char *argument = data;
    host->directory = g_dir_make_tmp("postlude-hook-XXXXXX", NULL);
    host->called = g_build_filename(host->directory, "called", NULL);
    host->program = g_build_filename(host->directory, "program", NULL);
    host->script = g_build_filename(host->directory, "script", NULL);
    host->printed = g_build_filename(host->directory, "printed", NULL);
    host->said = g_build_filename(host->directory, "said", NULL);
    host->hook = g_strdup(HOOK_PATH);
    host->name = "vm";
    install_script(host);
    put(host, "program",
        "#!/bin/sh\n"
        "echo \"$*\" >\"$POSTLUDE_RUN/called\"\n"
        "while [ $# -gt 0 ]; do\n"
        "  [ \"$1\" != --token-file ] || { cat \"$2\"; stat -c %a \"$2\"; }\\\n"
        "    >>\"$POSTLUDE_RUN/called\"\n"
        "  shift\n"
        "done\n"
        "[ ! -e \"$POSTLUDE_RUN/fails\" ] || { echo 'no, because' >&2; exit 1; }"
        "\n", 0700);
    start_qemu(host, argument ? argument : "-incoming");
}

static void
tear_down(Host *host, gconstpointer data)
{
    g_subprocess_force_exit(host->qemu);
    g_subprocess_wait(host->qemu, NULL, NULL);
    g_object_unref(host->qemu);
    g_autoptr(GDir) dir = g_dir_open(host->directory, 0, NULL);
    for (const char *name; (name = g_dir_read_name(dir));) {
        g_autofree char *path = g_build_filename(host->directory, name, NULL);
        g_unlink(path);
    }
    g_rmdir(host->directory);
    g_free(host->directory);
    g_free(host->called);
    g_free(host->program);
    g_free(host->script);
    g_free(host->hook);
    g_free(host->printed);
    g_free(host->said);
}

static char *
domain(const char *metadata)
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

static const char receive[] =
    "<p:guest xmlns:p='" LIBVIRT_METADATA_URI "'><p:receive "
    "address='10.0.0.1:4711' token='" TOKEN "'/></p:guest>";

static GSubprocessLauncher *
make_launcher(const Host *host)
{
    g_autofree char *conf = g_build_filename(host->directory, "conf", NULL);
    GSubprocessLauncher *launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDIN_PIPE);
    g_subprocess_launcher_set_stdout_file_path(launcher, host->printed);
    g_subprocess_launcher_set_stderr_file_path(launcher, host->said);
    const char *settings[][2] = {
        {"POSTLUDE", host->program},
        {"POSTLUDE_CONF", conf},
        {"POSTLUDE_RUN", host->directory},
        {"POSTLUDE_LIBVIRT_RUN", host->directory},
        {"POSTLUDE_HOOK", host->hook},
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

/* Exit status; *PRINTED (may be NULL) is stdout, *SAID stderr, both owned. */
static int
run_program(const Host *host, const char *program, const char *operation,
            const char *xml, char **printed, char **said)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocessLauncher) launcher = make_launcher(host);
    g_autoptr(GSubprocess) hook = g_subprocess_launcher_spawn(
        launcher, &error, program, host->name, operation, "begin", "-", NULL);
    g_assert_no_error(error);
    g_subprocess_communicate_utf8(hook, xml, NULL, NULL, NULL, &error);
    /* It need not read what it does not want to know, to libvirt as to us. */
    if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE)) {
        g_assert_no_error(error);
    }
    g_assert_true(g_subprocess_wait(hook, NULL, NULL));
    g_autofree char *output = take_file(host->printed);
    if (printed) {
        *printed = g_steal_pointer(&output);
    }
    *said = take_file(host->said);
    return g_subprocess_get_exit_status(hook);
}

static int
run(const Host *host, const char *operation, const char *xml, char **said)
{
    return run_program(host, HOOK_PATH, operation, xml, NULL, said);
}

static void
expect(const Host *host, const char *xml, int status, const char *called,
       const char *words)
{
    g_autofree char *said = NULL, *text = NULL;
    g_assert_cmpint(run(host, "started", xml, &said), ==, status);
    g_file_get_contents(host->called, &text, NULL, NULL);
    if ((text != NULL) != (called != NULL)) {
        g_error("%s; it said: %s", text ? text : "not called", said);
    }
    if (called && !strstr(text, called)) {
        g_error("called with: %s", text);
    }
    if (words && !strstr(said, words)) {
        g_error("it said: %s", said);
    }
    g_autoptr(GDir) dir = g_dir_open(host->directory, 0, NULL);
    for (const char *name; (name = g_dir_read_name(dir));) {
        g_assert_false(g_str_has_prefix(name, "token"));
    }
}

static void
test_receive(Host *host, gconstpointer data)
{
    g_autofree char *xml = domain(receive);
    expect(host, xml, 0,
           "receive --follow --detach --qmp /run/x.qmp --connect "
           "10.0.0.1:4711 --token-file", NULL);
    g_autofree char *text = NULL;
    g_file_get_contents(host->called, &text, NULL, NULL);
    g_assert_nonnull(strstr(text, TOKEN "600\n"));
}

/* What a hook left that was killed; expect() finds no token. */
static void
test_sweep(Host *host, gconstpointer data)
{
    g_autofree char *xml = domain(receive);
    g_autofree char *path =
        g_build_filename(host->directory, "token-4194305-aB3xyz", NULL);
    const struct timespec long_ago[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    put(host, "token-4194305-aB3xyz", TOKEN, 0600);
    g_assert_cmpint(utimensat(AT_FDCWD, path, long_ago, 0), ==, 0);
    expect(host, xml, 0, "receive", NULL);
}

static void
test_refused(Host *host, gconstpointer data)
{
    g_autofree char *xml = domain(receive);
    put(host, "fails", "", 0600);
    expect(host, xml, 1, "receive", "no, because");
    expect(host, xml, 1, "receive", "domain 'vm': 'postlude receive' could");
}

static void
test_doubt(Host *host, gconstpointer data)
{
    g_autofree char *xml = domain("<p:guest xmlns:p='" LIBVIRT_METADATA_URI
                                  "'><p:unknown/></p:guest>");
    expect(host, xml, 1, NULL, "not known to this version");
    g_free(host->program);
    host->program = g_strdup("/nowhere/postlude");
    g_autofree char *good = domain(receive);
    expect(host, good, 1, NULL, "domain 'vm': ");
}

/* An ordinary start with what a migration left in the metadata, or what
 * another version wrote there. */
static void
test_not_incoming(Host *host, gconstpointer data)
{
    g_autofree char *xml = domain(receive);
    expect(host, xml, 0, NULL, "was not started for one");
    g_autofree char *newer = domain("<p:guest xmlns:p='" LIBVIRT_METADATA_URI
                                    "'><p:unknown/></p:guest>");
    expect(host, newer, 0, NULL, "not known to this version");
}

/* Whoever is refused because of what is left over is told what to do. */
static void
test_left_over(Host *host, gconstpointer data)
{
    g_autofree char *xml = domain(receive);
    put(host, "fails", "", 0600);
    expect(host, xml, 1, "receive",
           "virsh metadata 'vm' " LIBVIRT_METADATA_URI " --remove --live");
}

/* Not knowing what QEMU was started for is none of a domain's business that
 * asks for nothing, and the end for one that has an address. */
static void
expect_doubt(const Host *host, const char *why)
{
    g_autofree char *asks = domain(receive), *plain = domain("");
    expect(host, asks, 1, NULL, why);
    expect(host, asks, 1, NULL, "cannot be told");
    expect(host, plain, 0, NULL, NULL);
}

static void
test_doubt_about_qemu(Host *host, gconstpointer data)
{
    put(host, "vm.pid", "many\n", 0600);
    expect_doubt(host, "holds no process number");
    put(host, "vm.pid", "0\n", 0600);
    expect_doubt(host, "holds no process number");
    put(host, "vm.pid", "4194305\n", 0600); /* above what Linux gives */
    expect_doubt(host, "/proc/4194305/cmdline");
    g_autofree char *path = g_build_filename(host->directory, "vm.pid", NULL);
    g_unlink(path);
    expect_doubt(host, "vm.pid");
    host->name = "../vm";
    expect_doubt(host, "no '/' in it");
}

/* A process that has ended has no arguments any more. */
static void
test_doubt_about_a_zombie(Host *host, gconstpointer data)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        _exit(0);
    }
    siginfo_t info;
    g_assert_cmpint(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), ==, 0);
    g_autofree char *text = g_strdup_printf("%d\n", (int)pid);
    put(host, "vm.pid", text, 0600);
    expect_doubt(host, "has ended");
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
}

/* libvirt takes for the domain's XML what is printed, if anything is. */
static void
test_restore(Host *host, gconstpointer data)
{
    g_autofree char *xml = domain(receive), *plain = domain("");
    g_autofree char *printed = NULL, *nothing = NULL;
    g_autofree char *said = NULL, *silence = NULL;
    g_assert_cmpint(run_program(host, host->script, "restore", xml, &printed,
                                &said), ==, 0);
    g_assert_true(g_str_has_prefix(printed, "<domain "));
    g_assert_null(strstr(printed, TOKEN));
    g_assert_nonnull(strstr(printed, "path=/run/x.qmp"));
    g_assert_cmpstr(said, ==, "");
    g_assert_cmpint(run_program(host, host->script, "restore", plain, &nothing,
                                &silence), ==, 0);
    g_assert_cmpstr(nothing, ==, "");
    g_assert_false(g_file_test(host->called, G_FILE_TEST_EXISTS));
}

static void
test_collapse(Host *host, gconstpointer data)
{
    g_autofree char *plain = domain("");
    expect(host, plain, 0, NULL, NULL);
    put(host, "conf", "[libvirt]\ncollapse-after-migration=nonsense\n", 0600);
    expect(host, plain, 0, NULL, "neither yes nor no");
    put(host, "conf", "[libvirt]\ncollapse-after-migration=yes\n", 0600);
    expect(host, plain, 0,
           "collapse --after-migration --detach --domain vm", NULL);
    put(host, "fails", "", 0600);
    expect(host, plain, 0, "collapse", "could not be started");
}

static void
test_other_operations(Host *host, gconstpointer data)
{
    static const char *const operations[] = {"prepare", "start", "stopped",
                                             "release", "migrate"};
    g_autofree char *xml = domain(receive);
    for (unsigned i = 0; i < G_N_ELEMENTS(operations); i++) {
        g_autofree char *said = NULL;
        g_assert_cmpint(run(host, operations[i], xml, &said), ==, 0);
        g_assert_false(g_file_test(host->called, G_FILE_TEST_EXISTS));
    }
}

static void
expect_script(const Host *host, const char *operation, const char *xml,
              int status, const char *words)
{
    g_autofree char *said = NULL, *printed = NULL;
    int ended = run_program(host, host->script, operation, xml, &printed,
                            &said);
    if (ended != status || (words ? !strstr(said, words) : *said != '\0')) {
        g_error("%s: exit status %d, and it said: %s", operation, ended, said);
    }
    g_assert_cmpstr(printed, ==, "");
}

/* The script that libvirt runs: how it answers to whoever asks for it, and that
 * all else gets through. */
static void
test_script(Host *host, gconstpointer data)
{
    g_autofree char *xml = domain(receive);
    expect_script(host, "prepare", xml, 0, NULL);
    expect_script(host, "stopped", xml, 0, NULL);
    host->name = "postlude-probe";
    expect_script(host, "release", xml, 0, NULL);
    expect_script(host, "prepare", xml, 1, "postlude hook ready\n");
}

/* To the last byte, however long: the pipe takes 64 KiB at once. */
static void
test_script_hands_on(Host *host, gconstpointer data)
{
    g_autofree char *padding = g_strnfill(200000, ' ');
    g_autofree char *metadata = g_strconcat(padding, receive, NULL);
    g_autofree char *xml = domain(metadata);
    expect_script(host, "started", xml, 0, NULL);
    g_autofree char *text = NULL;
    g_file_get_contents(host->called, &text, NULL, NULL);
    g_assert_nonnull(text);
    g_assert_nonnull(strstr(text, "--connect 10.0.0.1:4711 --token-file"));
    put(host, "fails", "", 0600);
    expect_script(host, "started", xml, 1, "no, because");
}

/* Domains that ask for nothing do not suffer for a program that is broken, and
 * those that ask are not started unarmed. */
static void
expect_broken(const Host *host, const char *why)
{
    g_autofree char *padding = g_strnfill(200000, '\n');
    g_autofree char *metadata = g_strconcat(padding, receive, NULL);
    g_autofree char *asks = domain(metadata), *plain = domain(padding);
    expect_script(host, "started", asks, 1, "it asks for it");
    expect_script(host, "started", asks, 1, why);
    expect_script(host, "started", plain, 0, "it does not ask for it");
    expect_script(host, "started", plain, 0, why);
    expect_script(host, "restore", asks, 0, why);
    expect_script(host, "prepare", asks, 0, NULL);
    g_assert_false(g_file_test(host->called, G_FILE_TEST_EXISTS));
}

static void
test_script_without_program(Host *host, gconstpointer data)
{
    g_free(host->hook);
    host->hook = g_build_filename(host->directory, "program-hook", NULL);
    expect_broken(host, host->hook);
    put(host, "program-hook", "#!/bin/sh\n", 0600);
    expect_broken(host, "denied");
    put(host, "program-hook", "#!/nowhere/interpreter\n", 0700);
    expect_broken(host, host->hook);
    put(host, "program-hook", "", 0700); /* half an installation */
    expect_broken(host, host->hook);
}

/* What the dynamic loader says, and its exit status. */
static void
test_script_without_library(Host *host, gconstpointer data)
{
    g_free(host->hook);
    host->hook = g_build_filename(host->directory, "program-hook", NULL);
    put(host, "program-hook",
        "#!/bin/sh\n"
        "echo 'libxml2.so.2: cannot open shared object file' >&2\nexit 127\n",
        0700);
    expect_broken(host, "libxml2.so.2: cannot open shared object file");
    host->name = "postlude-probe";
    g_autofree char *xml = domain("");
    expect_script(host, "prepare", xml, 1, "so no guest can arrive");
}

/* The quickest of some, because the machine may be at other work. */
static void
test_time(Host *host, gconstpointer data)
{
    g_autoptr(GString) metadata = g_string_new(NULL);
    for (unsigned i = 0; i < 500; i++) {
        g_string_append_printf(metadata, "<x:y xmlns:x='urn:%u'>text</x:y>", i);
    }
    g_autofree char *xml = domain(metadata->str);
    uint64_t best = UINT64_MAX;
    for (unsigned i = 0; i < TRIES; i++) {
        g_autofree char *said = NULL;
        uint64_t before = fd_now_ns();
        g_assert_cmpint(run_program(host, host->script, "started", xml, NULL,
                                    &said), ==, 0);
        best = MIN(best, fd_now_ns() - before);
    }
    g_test_minimized_result((double)best / 1e6, "%.1f ms", (double)best / 1e6);
    g_assert_cmpuint(best, <, LIMIT_NS);
}

#define ADD(name, argument, function)                                         \
    g_test_add("/hook/" name, Host, argument, set_up, function, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    ADD("receive", NULL, test_receive);
    ADD("sweep", NULL, test_sweep);
    ADD("refused", NULL, test_refused);
    ADD("doubt", NULL, test_doubt);
    ADD("not-incoming", "-S", test_not_incoming);
    ADD("left-over", NULL, test_left_over);
    ADD("doubt-about-qemu", NULL, test_doubt_about_qemu);
    ADD("doubt-about-a-zombie", NULL, test_doubt_about_a_zombie);
    ADD("restore", NULL, test_restore);
    ADD("collapse", NULL, test_collapse);
    ADD("other-operations", NULL, test_other_operations);
    ADD("script", NULL, test_script);
    ADD("script-hands-on", NULL, test_script_hands_on);
    ADD("script-without-program", NULL, test_script_without_program);
    ADD("script-without-library", NULL, test_script_without_library);
    ADD("time", NULL, test_time);
    return g_test_run();
}
