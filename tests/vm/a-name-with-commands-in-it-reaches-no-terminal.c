/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A guest whose name clears the screen, rings, begins a new line and turns the
 * reading direction is moved like any other, and no byte of that reaches what
 * send, receive, status and check print; JSON has the name as it is.
 */
#include <string.h>

#include "tests/support/vm-expect.h"

#define NAME "web\033[2J\a\nMISSING all\xe2\x80\xae" "1"
#define SHOWN "web\\x1b[2J\\x07\\nMISSING all\\u202e1"

/* Takes TEXT, which names the guest if NAMED. */
static void
expect_harmless(char *text, bool named)
{
    for (const char *at = text; *at; at++) {
        if (g_ascii_iscntrl(*at) && *at != '\n') {
            g_error("byte %#x is printed: %s", (guchar)*at, text);
        }
    }
    g_assert_null(strstr(text, "\xe2\x80\xae"));
    g_assert_null(strstr(text, "\nMISSING all"));
    g_assert_true(!named || strstr(text, SHOWN));
    g_free(text);
}

static char *
stdout_of(const char *verb, const char *const *args)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmTool) tool = vm_tool_start(verb, args, false, &error);
    g_assert_no_error(error);
    vm_expect_end(tool, 60000, 0, "");
    return vm_tool_stdout(tool);
}

static void
expect_name(const char *document, const char *object, const char *member)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = json_from_string(document, &error);
    g_assert_no_error(error);
    JsonObject *o = json_node_get_object(node);
    o = object ? json_object_get_object_member(o, object) : o;
    g_assert_cmpstr(json_object_get_string_member(o, member), ==, NAME);
}

static void
test_name(void)
{
    VmQemuOptions options = vm_expect_options(64);
    options.name = NAME;
    if (vm_qemu_skip(vm_qemu_why_not(VM_QEMU_HOST, false))) {
        return;
    }
    g_autoptr(VmPair) pair = vm_expect_pair_of(&options, &options);
    const char *wait[] = {"--wait", "--verbose", NULL};
    const char *check[] = {"--qmp", vm_qemu_tool_socket(pair->source), NULL};
    const char *json[] = {"--qmp", check[1], "--json", NULL};
    const char *nothing[] = {NULL};
    expect_harmless(stdout_of("check", check), false);
    g_autofree char *document = stdout_of("check", json);
    expect_name(document, "guest", "name");
    expect_harmless(g_steal_pointer(&document), false);

    g_autoptr(VmTool) send = vm_expect_send(pair, wait);
    g_autoptr(VmTool) receive = vm_expect_receive(pair, NULL);
    vm_expect_says(send, "send SIGUSR1");
    expect_harmless(stdout_of("status", nothing), true);
    vm_child_kill(vm_tool_child(send), SIGUSR1);
    vm_expect_arrives(pair, send, receive);
    expect_harmless(vm_tool_stderr(send), true);
    expect_harmless(vm_tool_stdout(send), true);
    expect_harmless(vm_tool_stderr(receive), false);
    expect_harmless(vm_tool_stdout(receive), true);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/name-with-commands", test_name);
    return g_test_run();
}
