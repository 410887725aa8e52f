/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * "postlude migrate --json": what is known, and nothing of what is not.
 */
#include "libvirt/libvirt-report.h"

#include <glib.h>
#include <json-glib/json-glib.h>

static JsonNode *
parse(const LibvirtReport *report)
{
    g_autofree char *text = libvirt_report_to_json(report);
    g_autoptr(GError) error = NULL;
    JsonNode *node = json_from_string(text, &error);
    g_assert_no_error(error);
    return node;
}

static void
assert_text(JsonNode *node, const char *name, const char *text)
{
    JsonObject *object = json_node_get_object(node);
    g_assert_cmpstr(
        json_object_get_string_member_with_default(object, name, NULL), ==,
        text);
}

static void
test_whole(void)
{
    const LibvirtReport report = {.domain = "web1",
                                  .uuid = "U",
                                  .destination = "qemu+ssh://b/system",
                                  .outcome = "failed",
                                  .reason = "because \"so\"",
                                  .libvirt_failure = "gone",
                                  .sender_json = "{\"schema\":1}"};
    g_autoptr(JsonNode) node = parse(&report);
    assert_text(node, "domain", "web1");
    assert_text(node, "uuid", "U");
    assert_text(node, "destination", "qemu+ssh://b/system");
    assert_text(node, "outcome", "failed");
    assert_text(node, "reason", "because \"so\"");
    assert_text(node, "libvirt", "gone");
    g_assert_true(json_object_has_member(json_node_get_object(node), "send"));
}

/* It ended before there was a domain or a sender. */
static void
test_early(void)
{
    const LibvirtReport report = {.domain = "web1",
                                  .destination = "qemu:///system",
                                  .outcome = "failed",
                                  .reason = "no such domain"};
    g_autoptr(JsonNode) node = parse(&report);
    JsonObject *object = json_node_get_object(node);
    assert_text(node, "domain", "web1");
    assert_text(node, "reason", "no such domain");
    g_assert_false(json_object_has_member(object, "uuid"));
    g_assert_false(json_object_has_member(object, "libvirt"));
    g_assert_false(json_object_has_member(object, "send"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/report/whole", test_whole);
    g_test_add_func("/report/early", test_early);
    return g_test_run();
}
