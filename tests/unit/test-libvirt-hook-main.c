/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The hook as libvirt runs it: arguments, XML on stdin, exit status and last
 * words, with a program in the place of postlude that notes how it was called;
 * and how long a domain that asks for nothing has to wait.
 */
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

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
    char *directory, *called, *program;
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

static void
set_up(Host *host, gconstpointer data)
{
    const char *argument = data;
    host->directory = g_dir_make_tmp("postlude-hook-XXXXXX", NULL);
    host->called = g_build_filename(host->directory, "called", NULL);
    host->program = g_build_filename(host->directory, "program", NULL);
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
    GSubprocessLauncher *launcher = g_subprocess_launcher_new(
        G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
    const char *settings[][2] = {
        {"POSTLUDE", host->program},
        {"POSTLUDE_CONF", conf},
        {"POSTLUDE_RUN", host->directory},
        {"POSTLUDE_LIBVIRT_RUN", host->directory},
        {"POSTLUDE_RUN_SYSTEMD", "/nowhere"}};
    for (unsigned i = 0; i < G_N_ELEMENTS(settings); i++) {
        g_subprocess_launcher_setenv(launcher, settings[i][0], settings[i][1],
                                     true);
    }
    return launcher;
}

/* Exit status; *SAID (owned) is stderr. */
static int
run(const Host *host, const char *operation, const char *xml, char **said)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocessLauncher) launcher = make_launcher(host);
    g_autoptr(GSubprocess) hook = g_subprocess_launcher_spawn(
        launcher, &error, HOOK_PATH, "vm", operation, "begin", "-", NULL);
    g_assert_no_error(error);
    g_subprocess_communicate_utf8(hook, xml, NULL, NULL, said, &error);
    /* It need not read what it does not want to know, to libvirt as to us. */
    if (!g_error_matches(error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE)) {
        g_assert_no_error(error);
    }
    g_assert_true(g_subprocess_wait(hook, NULL, NULL));
    return g_subprocess_get_exit_status(hook);
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

/* An ordinary start with what a migration left in the metadata. */
static void
test_not_incoming(Host *host, gconstpointer data)
{
    g_autofree char *xml = domain(receive);
    expect(host, xml, 0, NULL, "was not started for one");
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
                                             "release", "migrate", "restore"};
    g_autofree char *xml = domain(receive);
    for (unsigned i = 0; i < G_N_ELEMENTS(operations); i++) {
        g_autofree char *said = NULL;
        g_assert_cmpint(run(host, operations[i], xml, &said), ==, 0);
        g_assert_false(g_file_test(host->called, G_FILE_TEST_EXISTS));
    }
}

/* The script that libvirt runs: how it answers to whoever asks for it, and that
 * all else gets through. */
static void
test_script(Host *host, gconstpointer data)
{
    static const struct {
        const char *name, *operation;
        int status;
    } calls[] = {{"postlude-probe", "prepare", 1},
                 {"postlude-probe", "release", 0},
                 {"vm", "prepare", 0},
                 {"vm", "stopped", 0}};
    for (unsigned i = 0; i < G_N_ELEMENTS(calls); i++) {
        const char *argv[] = {"sh", SCRIPT_PATH, calls[i].name,
                              calls[i].operation, "begin", "-", NULL};
        g_autofree char *said = NULL;
        int status = 0;
        g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL,
                                   G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
                                   &said, &status, NULL));
        g_assert_cmpint(WEXITSTATUS(status), ==, calls[i].status);
        g_assert_cmpstr(said, ==,
                        calls[i].status ? "postlude hook ready\n" : "");
    }
}

static uint64_t
time_of_nothing_ns(const Host *host)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocessLauncher) launcher = make_launcher(host);
    uint64_t before = fd_now_ns();
    g_autoptr(GSubprocess) nothing =
        g_subprocess_launcher_spawn(launcher, &error, "true", NULL);
    g_assert_no_error(error);
    g_assert_true(g_subprocess_wait(nothing, NULL, NULL));
    return fd_now_ns() - before;
}

/* The quickest of some, beside a program that does nothing, because the machine
 * may be at other work, or slow. */
static void
test_time(Host *host, gconstpointer data)
{
    g_autoptr(GString) metadata = g_string_new(NULL);
    for (unsigned i = 0; i < 500; i++) {
        g_string_append_printf(metadata, "<x:y xmlns:x='urn:%u'>text</x:y>", i);
    }
    g_autofree char *xml = domain(metadata->str);
    uint64_t best = UINT64_MAX, base = UINT64_MAX;
    for (unsigned i = 0; i < TRIES; i++) {
        g_autofree char *said = NULL;
        uint64_t before = fd_now_ns();
        g_assert_cmpint(run(host, "started", xml, &said), ==, 0);
        best = MIN(best, fd_now_ns() - before);
        base = MIN(base, time_of_nothing_ns(host));
    }
    g_test_minimized_result((double)best / 1e6, "%.1f ms", (double)best / 1e6);
    g_assert_cmpuint(best, <, MAX(LIMIT_NS, 6 * base));
}

#define ADD(name, argument, function)                                         \
    g_test_add("/hook/" name, Host, argument, set_up, function, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    ADD("receive", NULL, test_receive);
    ADD("refused", NULL, test_refused);
    ADD("doubt", NULL, test_doubt);
    ADD("not-incoming", "-S", test_not_incoming);
    ADD("collapse", NULL, test_collapse);
    ADD("other-operations", NULL, test_other_operations);
    ADD("script", NULL, test_script);
    ADD("time", NULL, test_time);
    return g_test_run();
}
