/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The README's commands as they stand there: one directory, relative paths. A
 * helper is killed while the guest stands still, and in postcopy; whoever takes
 * over by the same relative path, or another way to the same monitor from
 * another directory, finds it, and the report where it was to be, with what was
 * measured before.
 */
#include <glib/gstdio.h>
#include <unistd.h>

#include "base/range.h"
#include "tests/support/vm-expect.h"
#include "tests/support/vm-passage.h"

typedef struct {
    VmPassage p;
    char *directory, *before;
} Scene;

static VmTool *
run(const char *verb, const char *const *args)
{
    g_autoptr(GError) error = NULL;
    VmTool *tool = vm_tool_start(verb, args, false, &error);
    g_assert_no_error(error);
    return tool;
}

/* Both QEMUs make their monitors in the directory that we stand in. */
static bool
begin(Scene *s, const char *order)
{
    static const char *const here[] = {
        "-qmp", "unix:source.qmp,server=on,wait=off", NULL};
    static const char *const there[] = {
        "-qmp", "unix:destination.qmp,server=on,wait=off", NULL};
    g_autoptr(GError) error = NULL;
    if (vm_qemu_skip(vm_qemu_why_not(VM_QEMU_HOST, false))) {
        return false;
    }
    s->before = g_get_current_dir();
    s->directory = vm_child_make_directory("postlude-readme", &error);
    g_assert_no_error(error);
    g_assert_no_errno(g_chdir(s->directory));
    VmQemuOptions source = vm_expect_options(64), destination = source;
    source.extra = here;
    destination.extra = there;
    s->p.pair = vm_expect_pair_of(&source, &destination);
    s->p.proxy = vm_proxy_start_before(s->p.pair->port, 1, &error);
    g_assert_no_error(error);
    vm_passage_order(s->p.proxy, order);
    g_autofree char *at = g_strdup_printf("127.0.0.1:%u", s->p.pair->port);
    const char *const send[] = {"--qmp",    "source.qmp", "--listen", at,
                                "--report", "send.json",  NULL};
    const char *const receive[] = {
        "--qmp",         "destination.qmp", "--connect",
        vm_proxy_address(s->p.proxy), "--report", "receive.json", NULL};
    s->p.send = run("send", send);
    s->p.receive = run("receive", receive);
    return true;
}

static void
end(Scene *s)
{
    vm_passage_clear(&s->p);
    g_assert_no_errno(g_chdir(s->before));
    vm_child_remove_tree(s->directory);
    g_free(s->directory);
    g_free(s->before);
}

/* Its QEMU has stopped the guest and cannot get rid of the devices. */
static void
killed_at_the_stop(void)
{
    static const char *const resume[] = {"--resume", "--qmp", "source.qmp",
                                         NULL};
    g_autoptr(GError) error = NULL;
    Scene s = {0};
    if (!begin(&s, "throttle device to-destination 2000")) {
        return;
    }
    vm_expect_says(s.p.send, "QEMU: MIGRATION pre-switchover");
    vm_passage_kill(s.p.send);
    g_autoptr(VmTool) heir = run("send", resume);
    vm_expect_end(
        heir, 60000, 1,
        "before the point of no return; what it had changed in QEMU is undone");
    vm_expect_at_home(s.p.pair);
    vm_passage_kill(s.p.receive);
    end(&s);
}

static JsonNode *
read_report(const char *path)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    g_test_message("%s: %s", path, text);
    JsonNode *report = json_from_string(text, &error);
    g_assert_no_error(error);
    return report;
}

/* More than a second passed before the kill, and most had not arrived. */
static void
check_report(const char *path, const char *bytes)
{
    g_autoptr(JsonNode) report = read_report(path);
    g_assert_cmpfloat(vm_expect_number(report, "$.takeovers"), ==, 1);
    g_assert_cmpfloat(vm_expect_number(report, "$.downtime_ms"), >, 0);
    g_assert_cmpfloat(vm_expect_number(report, "$.prepare_ms"), >, 0);
    g_assert_cmpfloat(vm_expect_number(report, "$.postcopy_ms"), >, 1500);
    g_assert_cmpfloat(vm_expect_number(report, "$.total_ms"), >=,
                      vm_expect_number(report, "$.postcopy_ms"));
    g_assert_cmpfloat(vm_expect_number(report, "$.throughput_bytes_per_s"), >,
                      1000);
    g_assert_cmpfloat(vm_expect_number(report, bytes), >,
                      vm_expect_number(report, "$.pages.pushed") * PAGE_BYTES);
}

static void
killed_in_postcopy(void)
{
    static const char *const sender[] = {"--resume", "--qmp", "source.qmp",
                                         NULL};
    g_autoptr(GError) error = NULL;
    Scene s = {0};
    if (!begin(&s, "throttle bulk to-destination 2000000")) {
        return;
    }
    vm_expect_says(s.p.send, "peer: RUNNING");
    g_usleep(1500000);
    vm_passage_kill(s.p.send);
    vm_passage_kill(s.p.receive);
    g_autoptr(VmTool) send = run("send", sender);
    /* From below, over a link and back. */
    const char *const receiver[] = {"--resume", "--qmp",
                                    "..//./link/destination.qmp", NULL};
    g_assert_no_errno(g_mkdir("below", 0700));
    g_assert_no_errno(symlink(".", "link"));
    g_assert_no_errno(g_chdir("below"));
    g_autoptr(VmTool) receive = run("receive", receiver);
    g_assert_no_errno(g_chdir(".."));
    vm_passage_order(s.p.proxy, "heal");
    vm_expect_end(receive, 60000, 0, "");
    vm_expect_end(send, 60000, 0, "");
    check_report("send.json", "$.bytes_sent");
    check_report("receive.json", "$.bytes_received");
    g_autoptr(JsonNode) report = read_report("receive.json");
    g_assert_cmpfloat(vm_expect_number(report, "$.pages.demand") +
                          vm_expect_number(report, "$.pages.pushed") +
                          vm_expect_number(report, "$.pages.zero") +
                          vm_expect_number(report, "$.pages.unknown"),
                      ==, vm_expect_number(report, "$.pages.total"));
    vm_expect_arrived(s.p.pair);
    end(&s);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_func("/readme/at-the-stop", killed_at_the_stop);
    g_test_add_func("/readme/in-postcopy", killed_in_postcopy);
    return g_test_run();
}
