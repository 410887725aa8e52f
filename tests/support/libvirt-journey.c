/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Claims about "postlude migrate": see libvirt-journey.h.
 */
#include "tests/support/libvirt-journey.h"

#include <json-glib/json-glib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/support/vm-expect.h"
#include "tests/support/vm-qemu.h"

#define JOURNEY_MS 120000
#define SENDER_MS 60000
#define PROGRAM LIBVIRT_RIG_BUILD "/cli/postlude-libvirt"

LibvirtRig *
libvirt_journey_rig(const LibvirtRigOptions *options)
{
    bool built = access(PROGRAM, X_OK) == 0;
    return vm_qemu_skip(built ? NULL
                              : g_strdup("postlude was built without libvirt "
                                         "(-Dlibvirt=enabled)"))
               ? NULL
               : libvirt_expect_rig_of(options);
}

VmTool *
libvirt_journey_start(LibvirtDomain *domain, const char *from,
                      const char *const *flags)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    const char *words[] = {"postlude", "migrate", libvirt_domain_name(domain),
                           libvirt_rig_uri(libvirt_rig_other(from)),
                           "--insecure"};
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        g_ptr_array_add(argv, (char *)words[i]);
    }
    for (; flags && *flags; flags++) {
        g_ptr_array_add(argv, (char *)*flags);
    }
    g_ptr_array_add(argv, NULL);
    VmTool *tool =
        libvirt_rig_start_on(libvirt_domain_rig(domain), from,
                             (const char *const *)argv->pdata, &error);
    g_assert_no_error(error);
    return tool;
}

static gint64
find_sender(LibvirtRig *rig, const char *host, gint64 other_than)
{
    const char *const status[] = {"postlude", "status", "--json", NULL};
    g_autofree char *text = libvirt_expect_run(rig, host, status);
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) all = json_from_string(text, &error);
    g_assert_no_error(error);
    JsonArray *array = json_node_get_array(all);
    for (guint i = 0; i < json_array_get_length(array); i++) {
        JsonObject *one = json_array_get_object_element(array, i);
        gint64 pid = json_object_get_int_member(one, "pid");
        if (pid != other_than &&
            g_str_equal(json_object_get_string_member(one, "role"), "send")) {
            return pid;
        }
    }
    return 0;
}

gint64
libvirt_journey_kill_sender(LibvirtRig *rig, const char *host,
                            gint64 other_than)
{
    uint64_t deadline = fd_deadline_ns(SENDER_MS);
    gint64 pid;
    while ((pid = find_sender(rig, host, other_than)) == 0) {
        g_assert_cmpuint(fd_now_ns(), <, deadline);
        g_usleep(20000);
    }
    g_autofree char *number = g_strdup_printf("%" G_GINT64_FORMAT, pid);
    const char *const kill[] = {"kill", "-KILL", number, NULL};
    g_free(libvirt_expect_run(rig, host, kill));
    return pid;
}

void
libvirt_journey_expect_end(VmTool *tool, int code, const char *text)
{
    vm_expect_end(tool, JOURNEY_MS, code, text);
    g_autofree char *said = vm_tool_stderr(tool);
    g_test_message("%s", said);
}

static char *
dump(LibvirtDomain *domain, const char *host, const char *which)
{
    const char *const dump[] = {"virsh", "-q", "dumpxml", which,
                                libvirt_domain_name(domain), NULL};
    return libvirt_expect_run(libvirt_domain_rig(domain), host, dump);
}

char *
libvirt_journey_monitor(LibvirtDomain *domain, const char *host)
{
    g_autofree char *xml = dump(domain, host, "--migratable");
    g_autoptr(GRegex) path = g_regex_new("path=([^,']*\\.qmp)", 0, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    g_assert_true(g_regex_match(path, xml, 0, &match));
    return g_match_info_fetch(match, 1);
}

/* libvirt keeps an empty <metadata/> when the last of it is taken out. */
char *
libvirt_journey_xml(LibvirtDomain *domain, const char *host)
{
    g_autofree char *xml = dump(domain, host, "--migratable");
    g_autoptr(GString) text = g_string_new(xml);
    g_string_replace(text, "  <metadata/>\n", "", 0);
    return g_strdup(text->str);
}

/* What an operator wrote may be there; what one move needed may not. */
static void
expect_no_metadata(LibvirtDomain *domain, const char *host, const char *which)
{
    g_autofree char *xml = dump(domain, host, which);
    if (strstr(xml, ":receive") || strstr(xml, "token=")) {
        g_error("domain %s on host %s still has in its metadata (%s) what a "
                "move needed: %s", libvirt_domain_name(domain), host, which,
                xml);
    }
}

static void
expect_nothing_left(LibvirtDomain *domain, const char *host)
{
    LibvirtRig *rig = libvirt_domain_rig(domain);
    libvirt_expect_idle(rig, host);
    libvirt_expect_idle(rig, libvirt_rig_other(host));
    libvirt_expect_clean(domain, host);
    expect_no_metadata(domain, host, "--migratable");
    expect_no_metadata(domain, host, "--inactive");
}

/* It runs on HOST, and where it does not it may still be defined: what libvirt
 * would start there the next time. (One that is not defined there vanishes
 * while it is looked at, unless it is certainly off.) */
static void
expect_runs(LibvirtDomain *domain, const char *host)
{
    const char *other = libvirt_rig_other(host);
    libvirt_expect_runs(domain, host);
    g_autofree char *there = libvirt_domain_state(domain, other);
    if (there) {
        g_assert_cmpstr(there, ==, "shut off");
        expect_no_metadata(domain, other, "--inactive");
    }
}

void
libvirt_journey_expect_arrived(LibvirtDomain *domain, const char *host)
{
    expect_nothing_left(domain, host);
    libvirt_expect_huge(domain, host, 99);
    expect_runs(domain, host);
}

void
libvirt_journey_expect(LibvirtDomain *domain, const char *from,
                       const char *const *flags)
{
    g_autoptr(VmTool) tool = libvirt_journey_start(domain, from, flags);
    libvirt_journey_expect_end(tool, 0, "");
    libvirt_journey_expect_arrived(domain, libvirt_rig_other(from));
}

void
libvirt_journey_expect_home(LibvirtDomain *domain, const char *host)
{
    expect_nothing_left(domain, host);
    expect_runs(domain, host);
}
