/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * postlude status shows both helpers of a migration that waits, and removes
 * what a killed one left; postlude check passes a guest that can be moved, and
 * changes nothing.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tests/support/vm-expect.h"

static char *
stdout_of(const char *verb, const char *const *args, int code)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmTool) tool = vm_tool_start(verb, args, false, &error);
    g_assert_no_error(error);
    vm_expect_end(tool, 60000, code, "");
    return vm_tool_stdout(tool);
}

/* The entry of process PID in "status --json", or NULL. Others' helpers may
 * run on this host as well. */
static JsonObject *
find_entry(JsonNode *all, pid_t pid)
{
    JsonArray *array = json_node_get_array(all);
    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonObject *o = json_array_get_object_element(array, i);
        if (json_object_get_int_member(o, "pid") == pid) {
            return o;
        }
    }
    return NULL;
}

static JsonNode *
status_json(void)
{
    g_autoptr(GError) error = NULL;
    const char *json[] = {"--json", NULL};
    g_autofree char *text = stdout_of("status", json, 0);
    JsonNode *all = json_from_string(text, &error);
    g_assert_no_error(error);
    g_assert_true(JSON_NODE_HOLDS_ARRAY(all));
    return all;
}

/* An answer with both of them in it. */
static JsonNode *
status_of(VmTool *send, VmTool *receive)
{
    for (int i = 0; i < VM_EXPECT_STATUS_TRIES; i++) {
        g_autoptr(JsonNode) all = status_json();
        if (find_entry(all, vm_child_pid(vm_tool_child(send))) &&
            find_entry(all, vm_child_pid(vm_tool_child(receive)))) {
            return g_steal_pointer(&all);
        }
    }
    g_error("status does not show both helpers");
}

static void
assert_entry(JsonNode *all, VmTool *tool, VmQemu *vm, const char *role,
             const char *stage)
{
    JsonObject *o = find_entry(all, vm_child_pid(vm_tool_child(tool)));
    g_assert_nonnull(o);
    g_assert_cmpstr(json_object_get_string_member(o, "role"), ==, role);
    g_assert_cmpstr(json_object_get_string_member(o, "stage"), ==, stage);
    g_assert_cmpstr(json_object_get_string_member(o, "vm"), ==, "guest");
    g_assert_cmpint(json_object_get_int_member(o, "qemu_pid"), ==,
                    vm_qemu_pid(vm));
    g_assert_cmpint(json_object_get_int_member(o, "total_pages"), ==, 64 << 8);
    g_assert_false(json_object_get_boolean_member(o, "past_no_return"));
}

static char *
socket_of(VmTool *tool, const char *role)
{
    return g_strdup_printf("/run/postlude/%s-%d.sock", role,
                           vm_child_pid(vm_tool_child(tool)));
}

static void
test_status(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    const char *wait[] = {"--wait", NULL};
    g_autoptr(VmTool) send = vm_expect_send(pair, wait);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    vm_expect_says(send, "send SIGUSR1");
    g_autoptr(JsonNode) all = status_of(send, receive);
    assert_entry(all, send, pair->source, "send", "wait");
    assert_entry(all, receive, pair->destination, "receive", "wait");
    g_autofree char *pid = g_strdup_printf(
        "pid %d  wait", vm_child_pid(vm_tool_child(send)));
    vm_expect_status(send, pid);

    g_autofree char *stale = socket_of(receive, "receive");
    g_autofree char *clean = socket_of(send, "send");
    g_assert_cmpint(access(stale, F_OK), ==, 0);
    vm_child_kill(vm_tool_child(receive), SIGKILL);
    vm_expect_end(send, 60000, 1, "the control connection is lost");
    g_assert_cmpint(access(clean, F_OK), <, 0);
    g_autoptr(JsonNode) after = status_json();
    g_assert_null(find_entry(after, vm_child_pid(vm_tool_child(receive))));
    g_assert_null(find_entry(after, vm_child_pid(vm_tool_child(send))));
    g_assert_cmpint(access(stale, F_OK), <, 0);
    vm_expect_moves(pair);
}

static void
check_says(const char *const *args, int code, const char *const *texts)
{
    g_autofree char *said = stdout_of("check", args, code);
    for (; *texts; texts++) {
        if (!strstr(said, *texts)) {
            g_error("check does not say \"%s\": %s", *texts, said);
        }
    }
}

/* The witness has filled 16 MiB of 64. A tmpfs gives it small pages, unless the
 * mount has huge=: only then is anything huge. */
static void
check_counts(const char *const *args)
{
    g_autofree char *said = stdout_of("check", args, 0);
    const char *line = strstr(said, "ok      of 64 MiB of RAM ");
    unsigned data = 0, huge = 0;
    g_assert_nonnull(line);
    g_assert_cmpint(sscanf(line, "ok      of 64 MiB of RAM %u MiB hold data, "
                                 "and %u MiB of these (", &data, &huge), ==, 2);
    g_assert_cmpuint(data, >=, 16);
    g_assert_cmpuint(data, <=, 64);
    if (huge == 0) {
        g_autofree char *small = g_strdup_printf(
            "(0.0%%) are in huge pages\n"
            "warning %u MiB are in small pages: nobody has asked for huge "
            "ones\n        remedy: postlude collapse makes them huge\n", data);
        g_assert_nonnull(strstr(line, small));
    }
}

static void
test_check(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    g_autofree char *pid = g_strdup_printf("%d", vm_qemu_pid(pair->source));
    const char *by_socket[] = {"--qmp", vm_qemu_tool_socket(pair->source),
                               NULL};
    const char *by_pid[] = {"--pid", pid, NULL};
    const char *by_both[] = {"--pid", pid, "--qmp", by_socket[1], NULL};
    const char *by_nothing[] = {NULL};
    const char *nobody[] = {"--pid", "4194304", NULL};
    const char *no_socket[] = {"--qmp", "/nonexistent", NULL};
    const char *guest[] = {
        "ok      kernel ", "ok      userfaultfd with minor faults",
        "ok      RAM block 'm0': memory-backend-file, shared, 64 MiB",
        "mapped at a multiple of 2 MiB", "ok      no VFIO",
        "\nverdict this guest can be moved\n", NULL};
    const char *process[] = {
        "can be attached to", "MiB hold data, and ",
        "MISSING the guest's RAM was not examined for a move",
        "\nverdict it is not known whether this guest can be moved", NULL};
    const char *host[] = {"ok      huge pages for shared memory",
                          "\nverdict guests can be moved to and from this "
                          "host\n", NULL};
    const char *missing[] = {"MISSING ", "remedy: ", NULL};
    check_says(by_socket, 0, guest);
    check_says(by_pid, 1, process);
    check_counts(by_both);
    check_says(by_nothing, 0, host);
    check_says(nobody, 1, missing);
    check_says(no_socket, 1, missing);
    vm_expect_at_home(pair);
    vm_expect_waiting(pair);
    vm_expect_moves(pair);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/status-and-check/status", test_status);
    g_test_add_func("/status-and-check/check", test_check);
    return g_test_run();
}
