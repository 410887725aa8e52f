/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * "postlude migrate" when the destination cannot be made ready: each case ends
 * with the guest on the source, as if nothing had been tried, says why, and the
 * domain can be moved as soon as the cause is gone.
 */
#include <json-glib/json-glib.h>
#include <string.h>

#include "tests/support/libvirt-journey.h"

#define AT_START "[ \"$2 $3\" = 'started begin' ] || exec \"$hook\" \"$@\"\n"

typedef struct {
    const char *hook; /* what the destination's hook does first */
    const char *text; /* what has to be said */
} Case;

static void
fail_and_move(gconstpointer data)
{
    const Case *c = data;
    const LibvirtDomainOptions options = {0};
    g_autoptr(GError) error = NULL;
    g_autoptr(LibvirtRig) rig = libvirt_journey_rig(NULL);
    if (!rig) {
        return;
    }
    g_autoptr(LibvirtDomain) domain = libvirt_expect_domain(rig, &options);
    g_autofree char *before = libvirt_journey_xml(domain, "a");
    static const char *const p2p[] = {"--p2p", NULL};
    static const char *const *const ways[] = {NULL, p2p};
    for (unsigned i = 0; i < G_N_ELEMENTS(ways); i++) {
        libvirt_rig_set_hook(rig, "b", c->hook, &error);
        g_assert_no_error(error);
        g_autoptr(VmTool) tool = libvirt_journey_start(domain, "a", ways[i]);
        libvirt_journey_expect_end(tool, 1, c->text);
        libvirt_journey_expect_home(domain, "a");
        g_assert_cmpint(libvirt_domain_pid(domain, "b"), ==, 0);
    }
    g_autofree char *after = libvirt_journey_xml(domain, "a");
    g_assert_cmpstr(after, ==, before);
    libvirt_rig_set_hook(rig, "b", NULL, &error);
    libvirt_journey_expect(domain, "a", NULL);
}

/* QEMU runs as another user there: without the capability nobody may attach. */
static const Case cannot_attach = {
    AT_START "exec setpriv --bounding-set=-sys_ptrace \"$hook\" \"$@\"",
    "CAP_SYS_PTRACE"};

static const Case wrong_token = {
    AT_START
    "sed -E \"s/token=(.)[0-9a-f]{32}/token=\\\\1$(printf %032d 7)/\" |"
    "\"$hook\" \"$@\"; exit $?",
    "not this migration's session"};

static const Case unreachable = {
    AT_START "sed -E \"s/address=(.)[^'\\\"]*/address=\\\\110.77.0.1:9/\" |"
             "\"$hook\" \"$@\"; exit $?",
    "cannot connect to 10.77.0.1:9"};

static const Case killed_before = {
    AT_START "kill -KILL \"$(cat \"/run/libvirt/qemu/$1.pid\")\"\n", ""};

static const Case killed_after = {
    AT_START "\"$hook\" \"$@\" || exit 1\n"
             "kill -KILL \"$(cat \"/run/libvirt/qemu/$1.pid\")\"\nexit 0",
    ""};

/* The hook is there and answers when it is asked, but nobody arms. */
static const Case sleeping = {AT_START "exit 0", "no destination is armed"};

static void
test_no_hook(void)
{
    const LibvirtRigOptions without = {.without_hook = "b"};
    const LibvirtDomainOptions options = {0};
    g_autoptr(LibvirtRig) rig = libvirt_journey_rig(&without);
    if (!rig) {
        return;
    }
    g_autoptr(LibvirtDomain) domain = libvirt_expect_domain(rig, &options);
    g_autoptr(VmTool) tool = libvirt_journey_start(domain, "a", NULL);
    libvirt_journey_expect_end(tool, 1, "hook is not at work on host-b");
    libvirt_journey_expect_home(domain, "a");
    libvirt_expect_plain_move(domain, "a", NULL);
    libvirt_journey_expect(domain, "b", NULL);
}

/* stdout is one JSON object, also if nothing was begun. */
static void
expect_json(VmTool *tool, const char *text)
{
    g_autofree char *said = vm_tool_stdout(tool);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) node = json_from_string(said, &error);
    g_assert_no_error(error);
    JsonObject *object = json_node_get_object(node);
    g_assert_cmpstr(json_object_get_string_member(object, "outcome"), ==,
                    "failed");
    g_assert_cmpstr(json_object_get_string_member(object, "domain"), ==,
                    "witness");
    g_assert_nonnull(
        strstr(json_object_get_string_member(object, "reason"), text));
}

/* Refused for what the command line asks, and for the destination. */
static void
test_json(void)
{
    const LibvirtRigOptions without = {.without_hook = "b"};
    const LibvirtDomainOptions options = {0};
    static const char *const json[] = {"--json", NULL};
    static const char *const nowhere[] = {
        "postlude", "migrate", "witness", "qemu:///system", "--insecure",
        "--json", NULL};
    g_autoptr(GError) error = NULL;
    g_autoptr(LibvirtRig) rig = libvirt_journey_rig(&without);
    if (!rig) {
        return;
    }
    g_autoptr(LibvirtDomain) domain = libvirt_expect_domain(rig, &options);
    g_autoptr(VmTool) tool = libvirt_journey_start(domain, "a", json);
    libvirt_journey_expect_end(tool, 1, "hook is not at work on host-b");
    expect_json(tool, "hook is not at work on host-b");
    g_autoptr(VmTool) other = libvirt_rig_start_on(rig, "a", nowhere, &error);
    g_assert_no_error(error);
    libvirt_journey_expect_end(other, 2, "names no host");
    expect_json(other, "names no host");
    libvirt_journey_expect_home(domain, "a");
}

static void
test_ordinary(void)
{
    const LibvirtDomainOptions options = {.ordinary = true};
    g_autoptr(LibvirtRig) rig = libvirt_journey_rig(NULL);
    if (!rig) {
        return;
    }
    g_autoptr(LibvirtDomain) domain = libvirt_expect_domain(rig, &options);
    g_autoptr(VmTool) tool = libvirt_journey_start(domain, "a", NULL);
    libvirt_journey_expect_end(tool, 1, "RAM");
    libvirt_expect_runs(domain, "a");
    libvirt_expect_idle(rig, "a");
    libvirt_expect_idle(rig, "b");
    /* libvirt itself still can. */
    libvirt_expect_plain_move(domain, "a", NULL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/goes-wrong/cannot-attach", &cannot_attach,
                         fail_and_move);
    g_test_add_data_func("/goes-wrong/wrong-token", &wrong_token,
                         fail_and_move);
    g_test_add_data_func("/goes-wrong/unreachable", &unreachable,
                         fail_and_move);
    g_test_add_data_func("/goes-wrong/qemu-killed-before", &killed_before,
                         fail_and_move);
    g_test_add_data_func("/goes-wrong/qemu-killed-after", &killed_after,
                         fail_and_move);
    g_test_add_data_func("/goes-wrong/nobody-arms", &sleeping, fail_and_move);
    g_test_add_func("/goes-wrong/no-hook", test_no_hook);
    g_test_add_func("/goes-wrong/json", test_json);
    g_test_add_func("/goes-wrong/ordinary-ram", test_ordinary);
    return g_test_run();
}
