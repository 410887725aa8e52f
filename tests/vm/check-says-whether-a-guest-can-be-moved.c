/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The last line of 'postlude check', its exit status and its JSON agree, and
 * agree with what send and receive would do: in every run state of a guest.
 */
#include <string.h>

#include "tests/support/vm-expect.h"

static char *
check(VmQemu *vm, const char *more, int code)
{
    g_autoptr(GError) error = NULL;
    const char *args[] = {"--qmp", vm_qemu_tool_socket(vm), more, NULL};
    g_autoptr(VmTool) tool = vm_tool_start("check", args, false, &error);
    g_assert_no_error(error);
    vm_expect_end(tool, 60000, code, "");
    return vm_tool_stdout(tool);
}

/* STATE is QEMU's; VERDICT and SUBJECT are those of the JSON. */
static void
expect(VmQemu *vm, const char *state, const char *verdict,
       const char *subject, const char *finding, const char *last)
{
    g_autoptr(GError) error = NULL;
    int code = g_str_equal(verdict, "yes") ? 0 : 1;
    g_autofree char *text = check(vm, NULL, code);
    g_autofree char *end = g_strdup_printf("\nverdict %s\n", last);
    if (!strstr(text, finding) || !g_str_has_suffix(text, end)) {
        g_error("check says neither \"%s\" nor, at its end, \"%s\": %s",
                finding, end, text);
    }
    g_autofree char *json = check(vm, "--json", code);
    g_autoptr(JsonNode) node = json_from_string(json, &error);
    g_assert_no_error(error);
    JsonObject *o = json_node_get_object(node);
    JsonObject *guest = json_object_get_object_member(o, "guest");
    g_assert_cmpstr(json_object_get_string_member(o, "verdict"), ==, verdict);
    g_assert_cmpstr(json_object_get_string_member(o, "subject"), ==, subject);
    g_assert_cmpstr(json_object_get_string_member(o, "words"), ==, last);
    g_assert_cmpstr(json_object_get_string_member(guest, "state"), ==, state);
    g_assert_cmpint(json_object_get_int_member(guest, "pid"), ==,
                    vm_qemu_pid(vm));
    g_autofree char *silence = check(vm, "--quiet", code);
    g_assert_cmpstr(silence, ==, "");
}

#define YES "yes", "guest"
#define NO "no", "guest"
#define CAN "this guest can be moved"
#define CANNOT "this guest cannot be moved: 1 thing is missing"

static void
command(VmQemu *vm, const char *name, const char *arguments)
{
    g_autoptr(GError) error = NULL;
    vm_qemu_command(vm, name, arguments, &error);
    g_assert_no_error(error);
}

static void
test_a_move(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    expect(pair->source, "running", YES, "ok      the guest runs\n", CAN);
    expect(pair->destination, "inmigrate", "yes", "waiting",
           "ok      no guest runs here: QEMU waits for one",
           "this QEMU can take a guest");
    command(pair->source, "stop", NULL);
    expect(pair->source, "paused", YES,
           "ok      the guest is paused, and arrives paused\n", CAN);
    command(pair->source, "cont", NULL);
    vm_expect_moves(pair);
    expect(pair->source, "postmigrate", NO,
           "MISSING the guest is not here any more: QEMU has migrated it",
           CANNOT);
    expect(pair->destination, "running", YES, "the guest runs", CAN);
    const char *send[] = {"--qmp", vm_qemu_tool_socket(pair->source),
                          "--listen", "127.0.0.1:0", NULL};
    vm_expect_refusal("send", send, 1, "postmigrate");
}

static VmQemu *
start(const char *const *extra)
{
    g_autoptr(GError) error = NULL;
    VmQemuOptions options = vm_expect_options(64);
    options.extra = extra;
    VmQemu *vm = vm_qemu_start(&options, &error);
    g_assert_no_error(error);
    return vm;
}

/* What the guest would do is done for it: it writes to pvpanic's port. */
static void
test_a_panic(void)
{
    static const char *const extra[] = {"-device", "pvpanic", "-action",
                                        "panic=pause", "-S", NULL};
    if (vm_qemu_skip(vm_qemu_why_not(VM_QEMU_HOST, false))) {
        return;
    }
    g_autoptr(VmQemu) vm = start(extra);
    expect(vm, "prelaunch", YES, "the guest has not been started yet", CAN);
    command(vm, "cont", NULL);
    vm_expect_state(vm, "running");
    command(vm, "human-monitor-command",
            "{\"command-line\": \"o /b 0x505 1\"}");
    vm_expect_state(vm, "guest-panicked");
    expect(vm, "guest-panicked", NO, "MISSING the guest has panicked\n",
           CANNOT);
}

static void
test_a_shutdown(void)
{
    static const char *const extra[] = {"-no-reboot", "-no-shutdown", NULL};
    if (vm_qemu_skip(vm_qemu_why_not(VM_QEMU_HOST, false))) {
        return;
    }
    g_autoptr(VmQemu) vm = start(extra);
    command(vm, "system_reset", NULL);
    vm_expect_state(vm, "shutdown");
    expect(vm, "shutdown", NO, "MISSING the guest has shut down", CANNOT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/check-says/a-move", test_a_move);
    g_test_add_func("/check-says/a-panic", test_a_panic);
    g_test_add_func("/check-says/a-shutdown", test_a_shutdown);
    return g_test_run();
}
