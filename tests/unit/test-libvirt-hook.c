/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the hook makes of a domain: nothing, a receiver, a sweep, or a refusal;
 * and with which words it is run.
 */
#include <string.h>

#include "base/error.h"
#include "libvirt/libvirt-hook.h"

#define TOKEN "00112233445566778899aabbccddeeff"
#define MONITOR                                                               \
    "<q:commandline xmlns:q='http://libvirt.org/schemas/domain/qemu/1.0'>"    \
    "<q:arg value='-chardev'/><q:arg value='socket,id=c,path=/run/x.qmp,"     \
    "server=on,wait=off'/><q:arg value='-mon'/>"                              \
    "<q:arg value='chardev=c,mode=control'/></q:commandline>"
#define DOMAIN_(metadata, rest)                                               \
    "<domain type='kvm'><name>vm</name><memory unit='MiB'>64</memory>"        \
    "<metadata>" metadata "</metadata>" rest "</domain>"
#define OURS(text)                                                            \
    "<postlude:guest xmlns:postlude='" LIBVIRT_METADATA_URI "'>" text         \
    "</postlude:guest>"
#define RECEIVE(more)                                                         \
    "<postlude:receive address='10.0.0.1:4711' token='" TOKEN "'" more "/>"
#define NEWER RECEIVE(" of-tomorrow='yes'")
#define BOOT LIBVIRT_HOOK_BOOT
#define INCOMING LIBVIRT_HOOK_INCOMING
#define DOUBT LIBVIRT_HOOK_DOUBT
#define COLLAPSE "<postlude:collapse after-migration='yes'/>"

typedef struct {
    const char *name, *xml;
    LibvirtHookStart start;
    bool conf_collapse;
    LibvirtHookAction action;
    const char *says; /* a remark, or with FAILS the error */
    bool fails;
} Case;

static const Case cases[] = {
    {"asks-for-nothing", DOMAIN_("", MONITOR), INCOMING, false,
     LIBVIRT_HOOK_NOTHING, NULL, false},
    {"no-xml-at-all", "", true, false, LIBVIRT_HOOK_NOTHING, NULL, false},
    {"receive", DOMAIN_(OURS(RECEIVE("")), MONITOR), INCOMING, false,
     LIBVIRT_HOOK_RECEIVE, NULL, false},
    {"receive-is-before-collapse",
     DOMAIN_(OURS(RECEIVE("") COLLAPSE), MONITOR), INCOMING, true,
     LIBVIRT_HOOK_RECEIVE, NULL, false},
    {"receive-left-over", DOMAIN_(OURS(RECEIVE("")), MONITOR), BOOT, false,
     LIBVIRT_HOOK_NOTHING, "still tells of a migration", false},
    {"receive-without-monitor", DOMAIN_(OURS(RECEIVE("")), ""), INCOMING, false,
     LIBVIRT_HOOK_NOTHING, "no monitor of its own", true},
    {"receive-without-token",
     DOMAIN_(OURS("<postlude:receive address='a:1'/>"), MONITOR), INCOMING,
     false, LIBVIRT_HOOK_NOTHING, "32 hexadecimal", true},
    {"half-an-xml", "<domain><metadata>" OURS(RECEIVE("")), INCOMING, false,
     LIBVIRT_HOOK_NOTHING, "cannot be read", true},
    {"collapse", DOMAIN_(OURS(COLLAPSE), ""), INCOMING, false,
     LIBVIRT_HOOK_COLLAPSE, NULL, false},
    {"collapse-of-the-host", DOMAIN_("", ""), INCOMING, true,
     LIBVIRT_HOOK_COLLAPSE, NULL, false},
    {"unknown-of-another-version", DOMAIN_(OURS(NEWER), MONITOR), INCOMING,
     false, LIBVIRT_HOOK_NOTHING, "'of-tomorrow'", true},
    {"unknown-at-boot", DOMAIN_(OURS(NEWER), MONITOR), BOOT, false,
     LIBVIRT_HOOK_NOTHING, "started all the same", false},
    {"half-an-xml-at-boot", "<domain><metadata>" OURS(RECEIVE("")), BOOT, false,
     LIBVIRT_HOOK_NOTHING, "cannot be read", false},
    {"doubt-without-an-address", DOMAIN_(OURS(COLLAPSE), MONITOR), DOUBT, true,
     LIBVIRT_HOOK_NOTHING, NULL, false},
    {"doubt-with-an-address", DOMAIN_(OURS(RECEIVE("")), MONITOR), DOUBT, false,
     LIBVIRT_HOOK_NOTHING, "cannot be told", true},
    {"doubt-of-another-version", DOMAIN_(OURS(NEWER), MONITOR), DOUBT, false,
     LIBVIRT_HOOK_NOTHING, "'of-tomorrow'", true},
    {"collapse-of-a-start", DOMAIN_(OURS(COLLAPSE), ""), BOOT, true,
     LIBVIRT_HOOK_NOTHING, NULL, false},
};

static void
test_plan(gconstpointer data)
{
    const Case *c = data;
    g_autoptr(GError) error = NULL;
    g_auto(LibvirtHookPlan) plan = {0};
    LibvirtHookConf conf = {.collapse_after_migration = c->conf_collapse};
    bool ok = libvirt_hook_plan("vm", c->xml, c->start, &conf, &plan,
                                &error);
    g_assert_cmpint(ok, ==, !c->fails);
    g_assert_cmpint(plan.action, ==, c->action);
    const char *said = c->fails ? error->message : plan.remark;
    if (c->says) {
        g_assert_nonnull(said);
        g_assert_nonnull(strstr(said, c->says));
    } else {
        g_assert_null(said);
    }
}

static void
expect_command(const char *xml, const LibvirtHookConf *conf, bool systemd,
               const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_auto(LibvirtHookPlan) plan = {0};
    g_assert_true(libvirt_hook_plan("a vm", xml, INCOMING, conf, &plan,
                                    &error));
    LibvirtHookHost host = {.program = "postlude",
                            .token_path = "/t",
                            .qemu = 4711,
                            .systemd = systemd};
    g_auto(GStrv) words = libvirt_hook_command(&plan, conf, &host);
    g_autofree char *text = g_strjoinv("|", words);
    g_assert_cmpstr(text, ==, expected);
}

static void
test_commands(void)
{
    LibvirtHookConf none = {0}, all = {.collapse_after_migration = true,
                                       .tls_creds = (char *)"/pki"};
#define RECEIVES                                                              \
    "postlude|receive|--follow|--detach|--qmp|/run/x.qmp|--connect|"          \
    "10.0.0.1:4711|--token-file|/t|--peer-timeout|20"
    expect_command(DOMAIN_(OURS(RECEIVE("")), MONITOR), &all, false, RECEIVES);
    expect_command(DOMAIN_(OURS(RECEIVE(" insecure='yes'")), MONITOR), &none,
                   false, RECEIVES "|--insecure");
    expect_command(DOMAIN_(OURS(RECEIVE(" tls='yes'")), MONITOR), &none,
                   false, RECEIVES "|--tls");
    expect_command(DOMAIN_(OURS(RECEIVE(" tls='yes' tls-hostname='a.b'")),
                           MONITOR),
                   &none, false, RECEIVES "|--tls|--tls-hostname|a.b");
    expect_command(DOMAIN_(OURS(RECEIVE(" tls='yes'")), MONITOR), &all, true,
                   "systemd-run|--quiet|--collect|--scope|"
                   "--unit=postlude-receive-4711|"
                   "--description=Postlude: memory of domain a vm|--|"
                   RECEIVES "|--tls|--tls-creds|/pki");
    expect_command(DOMAIN_("", ""), &all, true,
                   "systemd-run|--quiet|--collect|--no-block|"
                   "--unit=postlude-collapse-4711|"
                   "--description=Postlude: memory of domain a vm|--|"
                   "postlude|collapse|--after-migration|--domain|a vm");
    expect_command(DOMAIN_("", ""), &all, false,
                   "postlude|collapse|--after-migration|--detach|--domain|"
                   "a vm");
}

static void
test_remedy(void)
{
    g_autofree char *text = libvirt_hook_remedy("web 1");
    g_assert_nonnull(strstr(text, "virsh metadata 'web 1' "
                                  "https://postlude.org/libvirt/1 --remove"));
}

/* Of a saved guest only what belonged to one migration is taken out. */
static void
test_restored(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *both = libvirt_hook_restored(
        DOMAIN_(OURS(RECEIVE("") COLLAPSE), MONITOR), &error);
    g_assert_no_error(error);
    g_assert_null(strstr(both, TOKEN));
    g_assert_nonnull(strstr(both, "after-migration"));
    g_assert_nonnull(strstr(both, "path=/run/x.qmp"));
    static const char *const as_they_are[] = {
        DOMAIN_("", MONITOR), DOMAIN_(OURS(COLLAPSE), MONITOR), "", "no XML"};
    for (unsigned i = 0; i < G_N_ELEMENTS(as_they_are); i++) {
        g_assert_null(libvirt_hook_restored(as_they_are[i], &error));
        g_assert_no_error(error);
    }
    g_assert_null(
        libvirt_hook_restored(DOMAIN_(OURS(NEWER), MONITOR), &error));
    g_assert_true(error_is(error, ERROR_PROTOCOL));
}

static void
test_configuration(void)
{
    g_auto(LibvirtHookConf) none = {0}, yes = {0}, no = {0}, bad = {0};
    g_autoptr(GError) error = NULL;
    g_assert_true(libvirt_hook_conf_parse(NULL, &none, &error));
    g_assert_false(none.collapse_after_migration);
    g_assert_true(libvirt_hook_conf_parse(
        "# hosts\n[libvirt]\ncollapse-after-migration = yes\n"
        "tls-creds=/etc/pki/x\n", &yes, &error));
    g_assert_true(yes.collapse_after_migration);
    g_assert_cmpstr(yes.tls_creds, ==, "/etc/pki/x");
    g_assert_true(libvirt_hook_conf_parse(
        "[libvirt]\ncollapse-after-migration=no\n", &no, &error));
    g_assert_false(no.collapse_after_migration);
    g_assert_false(libvirt_hook_conf_parse(
        "[libvirt]\ncollapse-after-migration=perhaps\n", &bad, &error));
    g_assert_true(error_is(error, ERROR_USAGE));
    g_assert_nonnull(strstr(error->message, "perhaps"));
    g_clear_error(&error);
    g_assert_false(libvirt_hook_conf_parse("[libvirt]\ntls-creds=pki\n", &bad,
                                           &error));
    g_assert_nonnull(strstr(error->message, "not an absolute path"));
    g_clear_error(&error);
    g_assert_false(libvirt_hook_conf_parse("collapse\n", &bad, &error));
    g_assert_true(error_is(error, ERROR_USAGE));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path =
            g_strdup_printf("/hook/plan/%s", cases[i].name);
        g_test_add_data_func(path, &cases[i], test_plan);
    }
    g_test_add_func("/hook/commands", test_commands);
    g_test_add_func("/hook/remedy", test_remedy);
    g_test_add_func("/hook/restored", test_restored);
    g_test_add_func("/hook/configuration", test_configuration);
    return g_test_run();
}
