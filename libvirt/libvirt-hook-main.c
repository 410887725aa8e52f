/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * postlude-hook NAME OPERATION SUB-OPERATION EXTRA, the domain's XML on stdin:
 * what hooks/qemu.d/postlude runs. A program of its own, so that domains that
 * ask for nothing do not wait for libraries to be loaded. Exit status 0: libvirt
 * may go on. Anything else makes it give the domain up, with our last words.
 * At "restore begin" libvirt takes what is on stdout for the domain's XML, if
 * there is anything. Without arguments it does nothing, with status 0: so the
 * script finds out whether it can be run.
 *
 * $POSTLUDE, $POSTLUDE_CONF, $POSTLUDE_RUN, $POSTLUDE_LIBVIRT_RUN and
 * $POSTLUDE_RUN_SYSTEMD put other things in the place of the program, the
 * configuration and the directories: libvirt hands none of them on, tests do.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/printable.h"
#include "base/signals.h"
#include "libvirt/libvirt-hook.h"
#include "libvirt/libvirt-leftover.h"
#include "libvirt/libvirt-scope.h"
#include "libvirt/libvirt-xml.h"

static const char *
hook_main_setting(const char *variable, const char *otherwise)
{
    const char *value = g_getenv(variable);
    return value ? value : otherwise;
}

static char *
read_domain(GError **error)
{
    g_autoptr(GString) xml = g_string_new(NULL);
    char buffer[16384];
    ssize_t n;
    while ((n = read(STDIN_FILENO, buffer, sizeof buffer)) > 0) {
        g_string_append_len(xml, buffer, n);
        if (xml->len > LIBVIRT_XML_MAX_BYTES) {
            error_set(error, ERROR_PROTOCOL,
                      "the domain's XML is longer than %u bytes",
                      LIBVIRT_XML_MAX_BYTES);
            return NULL;
        }
    }
    if (n < 0 || strlen(xml->str) != xml->len) {
        error_set(error, ERROR_PROTOCOL, "the domain's XML cannot be read");
        return NULL;
    }
    return g_string_free(g_steal_pointer(&xml), FALSE);
}

static pid_t
find_qemu(const char *name, GError **error)
{
    g_autofree char *path = g_strdup_printf(
        "%s/%s.pid",
        hook_main_setting("POSTLUDE_LIBVIRT_RUN", "/run/libvirt/qemu"), name);
    g_autofree char *text = NULL;
    guint64 pid = 0;
    if (strchr(name, '/')) {
        error_set(error, ERROR_PROTOCOL, "a domain's name has no '/' in it");
    } else if (g_file_get_contents(path, &text, NULL, error) &&
               !g_ascii_string_to_unsigned(g_strstrip(text), 10, 1, G_MAXINT,
                                           &pid, NULL)) {
        error_set(error, ERROR_PROTOCOL, "%s holds no process number", path);
    }
    return (pid_t)pid;
}

/* libvirt starts QEMU with -incoming for a migration (and for a saved guest)
 * and tells its hooks of neither. */
static LibvirtHookStart
look_at_qemu(pid_t qemu, GError **error)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/cmdline", (int)qemu);
    g_autofree char *text = NULL;
    gsize bytes = 0;
    if (!g_file_get_contents(path, &text, &bytes, error)) {
        return LIBVIRT_HOOK_DOUBT;
    }
    if (bytes == 0) {
        error_set(error, ERROR_VM_GONE, "QEMU (process %d) has ended",
                  (int)qemu);
        return LIBVIRT_HOOK_DOUBT;
    }
    for (gsize at = 0; at < bytes; at += strlen(text + at) + 1) {
        if (strcmp(text + at, "-incoming") == 0) {
            return LIBVIRT_HOOK_INCOMING;
        }
    }
    return LIBVIRT_HOOK_BOOT;
}

/* In memory, readable by root alone, and gone when the receiver is ready, or
 * when the next one comes if this process is killed. */
static char *
write_token(const char *token, GError **error)
{
    const char *directory = hook_main_setting("POSTLUDE_RUN", "/run/postlude");
    if (mkdir(directory, 0700) < 0 && errno != EEXIST) {
        error_set_errno(error, errno, "make %s", directory);
        return NULL;
    }
    libvirt_leftover_sweep(directory);
    g_autofree char *path = libvirt_leftover_template(directory, getpid());
    autofd fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0) {
        error_set_errno(error, errno, "create %s", path);
        return NULL;
    }
    if (!fd_write_all(fd, token, strlen(token), 0, error)) {
        unlink(path);
        return NULL;
    }
    return g_steal_pointer(&path);
}

static void
leave_cgroup(gpointer unused)
{
    signals_restore(NULL);
    libvirt_scope_leave();
}

static const char *
find_program(void)
{
    const char *installed = POSTLUDE_BINDIR "/postlude";
    return hook_main_setting(
        "POSTLUDE", access(installed, X_OK) == 0 ? installed : "postlude");
}

static bool
carry_out(const LibvirtHookPlan *plan, const LibvirtHookConf *conf,
          pid_t qemu, GError **error)
{
    bool receive = plan->action == LIBVIRT_HOOK_RECEIVE;
    g_autofree char *token =
        receive ? write_token(plan->metadata.token, error) : NULL;
    if (receive && !token) {
        return false;
    }
    LibvirtHookHost host = {
        .program = find_program(),
        .token_path = token,
        .qemu = qemu,
        .systemd = g_file_test(
            hook_main_setting("POSTLUDE_RUN_SYSTEMD", "/run/systemd/system"),
            G_FILE_TEST_IS_DIR)};
    g_auto(GStrv) command = libvirt_hook_command(plan, conf, &host);
    int status = 0;
    bool ok = g_spawn_sync(NULL, command, NULL, G_SPAWN_SEARCH_PATH,
                           host.systemd ? signals_restore : leave_cgroup, NULL, NULL,
                           NULL, &status, error);
    if (token) {
        unlink(token);
    }
    return ok && ((WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
                  error_set(error, ERROR_FAILED,
                            "%s could not be started; the guest stays where "
                            "it is",
                            receive ? "'postlude receive'"
                                    : "'postlude collapse'"));
}

static void
hook_main_say(const char *name, const char *what)
{
    g_autofree char *raw =
        g_strdup_printf("postlude: domain '%s': %s", name, what);
    g_autofree char *text = printable_line(raw);
    fprintf(stderr, "%s\n", text);
}

static void
read_conf(LibvirtHookConf *conf)
{
    const char *path = hook_main_setting("POSTLUDE_CONF", POSTLUDE_SYSCONFDIR
                                         "/postlude/postlude.conf");
    g_autofree char *text = NULL;
    g_autoptr(GError) why = NULL;
    g_file_get_contents(path, &text, NULL, NULL);
    if (!libvirt_hook_conf_parse(text, conf, &why)) {
        /* A domain that asks for nothing must not suffer for it. */
        g_autofree char *reason = printable_line(why->message);
        fprintf(stderr, "postlude: %s: %s\n", path, reason);
    }
}

static bool
make_plan(const char *name, const char *xml, pid_t *qemu,
          const LibvirtHookConf *conf, LibvirtHookPlan *plan, GError **error)
{
    g_autoptr(GError) why = NULL;
    *qemu = find_qemu(name, &why);
    LibvirtHookStart start =
        *qemu > 0 ? look_at_qemu(*qemu, &why) : LIBVIRT_HOOK_DOUBT;
    if (!libvirt_hook_plan(name, xml, start, conf, plan, error)) {
        if (why) {
            hook_main_say(name, why->message);
        }
        return false;
    }
    if (plan->remark) {
        hook_main_say(name, plan->remark);
    }
    return true;
}

static bool
hook_main_act(const char *name, const char *xml, GError **error)
{
    g_auto(LibvirtHookConf) conf = {0};
    g_auto(LibvirtHookPlan) plan = {0};
    pid_t qemu;
    read_conf(&conf);
    if (!make_plan(name, xml, &qemu, &conf, &plan, error)) {
        return false;
    }
    if (plan.action == LIBVIRT_HOOK_NOTHING ||
        carry_out(&plan, &conf, qemu, error)) {
        return true;
    }
    if (plan.action == LIBVIRT_HOOK_COLLAPSE) {
        /* Small pages are no reason to lose a migration. */
        hook_main_say(name, (*error)->message);
        g_clear_error(error);
        return true;
    }
    return false;
}

static int
on_started(const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = read_domain(&error);
    if (!xml) {
        hook_main_say(name, error->message);
        return 1;
    }
    if (!hook_main_act(name, xml, &error)) {
        g_autofree char *remedy = libvirt_hook_remedy(name);
        hook_main_say(name, error->message);
        hook_main_say(name, remedy);
        return 1;
    }
    return 0;
}

/* What cannot be read here is refused when QEMU has been started. */
static int
on_restore(const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *xml = read_domain(&error);
    g_autofree char *changed =
        xml ? libvirt_hook_restored(xml, &error) : NULL;
    if (changed) {
        fputs(changed, stdout);
    }
    if (error) {
        hook_main_say(name, error->message);
    }
    return 0;
}

int
main(int argc, char **argv)
{
    if (!signals_prepare()) {
        return 1;
    }
    if (argc < 4 || strcmp(argv[3], "begin") != 0) {
        return 0;
    }
    if (strcmp(argv[2], "restore") == 0) {
        return on_restore(argv[1]);
    }
    return strcmp(argv[2], "started") == 0 ? on_started(argv[1]) : 0;
}
