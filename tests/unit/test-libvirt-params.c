/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From the command line to libvirt: each option that virsh has as well becomes
 * the flag or the parameter of that name, and nothing else; none is forgotten
 * here either.
 */
#include "libvirt/libvirt-params.h"

#include <stdbool.h>

typedef struct {
    const char *option;
    unsigned flag;
} Flag;

typedef struct {
    const char *option, *value;
    const char *name; /* of the parameter */
    int type;
} Param;

static const Flag flags[] = {
    {"--p2p", VIR_MIGRATE_PEER2PEER},
    {"--persistent", VIR_MIGRATE_PERSIST_DEST},
    {"--undefinesource", VIR_MIGRATE_UNDEFINE_SOURCE},
    {"--change-protection", VIR_MIGRATE_CHANGE_PROTECTION},
    {"--unsafe", VIR_MIGRATE_UNSAFE},
    {"--abort-on-error", VIR_MIGRATE_ABORT_ON_ERROR},
    {"--copy-storage-all", VIR_MIGRATE_NON_SHARED_DISK},
    {"--copy-storage-inc", VIR_MIGRATE_NON_SHARED_INC},
    {"--copy-storage-synchronous-writes",
     VIR_MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES},
};

static const Param params[] = {
    {"--migrateuri", "tcp:b", VIR_MIGRATE_PARAM_URI, VIR_TYPED_PARAM_STRING},
    {"--listen-address", "::1", VIR_MIGRATE_PARAM_LISTEN_ADDRESS,
     VIR_TYPED_PARAM_STRING},
    {"--graphicsuri", "vnc://b", VIR_MIGRATE_PARAM_GRAPHICS_URI,
     VIR_TYPED_PARAM_STRING},
    {"--dname", "other", VIR_MIGRATE_PARAM_DEST_NAME, VIR_TYPED_PARAM_STRING},
    {"--disks-uri", "tcp://b:9", VIR_MIGRATE_PARAM_DISKS_URI,
     VIR_TYPED_PARAM_STRING},
    {"--tls-destination", "host-b", VIR_MIGRATE_PARAM_TLS_DESTINATION,
     VIR_TYPED_PARAM_STRING},
    {"--migrate-disks", "vda", VIR_MIGRATE_PARAM_MIGRATE_DISKS,
     VIR_TYPED_PARAM_STRING},
    {"--disks-port", "49300", VIR_MIGRATE_PARAM_DISKS_PORT,
     VIR_TYPED_PARAM_INT},
    {"--bandwidth", "17", VIR_MIGRATE_PARAM_BANDWIDTH, VIR_TYPED_PARAM_ULLONG},
};

/* Of the table, --xml and --persistent-xml name files: their text is handed
 * over beside the options. */
#define FILES 2

static void
parse(LibvirtOptions *options, const char *option, const char *value)
{
    g_autoptr(GArray) entries =
        g_array_new(true, true, sizeof(GOptionEntry));
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;
    g_auto(GStrv) words = g_new0(char *, 4);
    words[0] = g_strdup("migrate");
    words[1] = g_strdup(option);
    words[2] = g_strdup(value);
    libvirt_options_add(options, entries);
    g_assert_cmpuint(entries->len, ==,
                     G_N_ELEMENTS(flags) + G_N_ELEMENTS(params) + FILES);
    g_option_context_add_main_entries(
        context, (const GOptionEntry *)(const void *)entries->data, NULL);
    g_option_context_parse_strv(context, &words, &error);
    g_assert_no_error(error);
}

static void
test_nothing(void)
{
    const LibvirtOptions options = {0};
    g_auto(LibvirtParams) filled = {0};
    libvirt_params_fill(&filled, &options, NULL, NULL);
    g_assert_cmphex(filled.flags, ==, VIR_MIGRATE_LIVE);
    g_assert_cmpint(filled.n, ==, 0);
}

static void
test_flags(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(flags); i++) {
        g_auto(LibvirtOptions) options = {0};
        g_auto(LibvirtParams) filled = {0};
        parse(&options, flags[i].option, NULL);
        libvirt_params_fill(&filled, &options, NULL, NULL);
        g_test_message("%s", flags[i].option);
        g_assert_cmphex(filled.flags, ==, VIR_MIGRATE_LIVE | flags[i].flag);
        g_assert_cmpint(filled.n, ==, 0);
    }
}

/* Ours to offer with a meaning of its own for the memory. */
static void
test_tls(void)
{
    const LibvirtOptions options = {.tls = true};
    g_auto(LibvirtParams) filled = {0};
    libvirt_params_fill(&filled, &options, NULL, NULL);
    g_assert_cmphex(filled.flags, ==, VIR_MIGRATE_LIVE | VIR_MIGRATE_TLS);
}

static char *
value_of(const virTypedParameter *param)
{
    return param->type == VIR_TYPED_PARAM_STRING ? g_strdup(param->value.s)
           : param->type == VIR_TYPED_PARAM_INT
               ? g_strdup_printf("%d", param->value.i)
               : g_strdup_printf("%llu", param->value.ul);
}

static void
assert_param(const LibvirtParams *filled, int i, const char *name, int type,
             const char *value)
{
    g_assert_cmpint(i, <, filled->n);
    g_autofree char *found = value_of(&filled->list[i]);
    g_assert_cmpstr(filled->list[i].field, ==, name);
    g_assert_cmpint(filled->list[i].type, ==, type);
    g_assert_cmpstr(found, ==, value);
}

static void
test_params(void)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(params); i++) {
        const Param *p = &params[i];
        g_auto(LibvirtOptions) options = {0};
        g_auto(LibvirtParams) filled = {0};
        parse(&options, p->option, p->value);
        libvirt_params_fill(&filled, &options, NULL, NULL);
        g_test_message("%s", p->option);
        g_assert_cmphex(filled.flags, ==, VIR_MIGRATE_LIVE);
        g_assert_cmpint(filled.n, ==, 1);
        assert_param(&filled, 0, p->name, p->type, p->value);
    }
}

static void
test_many_disks(void)
{
    const LibvirtOptions options = {.migrate_disks = (char *)"vda,vdb"};
    g_auto(LibvirtParams) filled = {0};
    libvirt_params_fill(&filled, &options, NULL, NULL);
    g_assert_cmpint(filled.n, ==, 2);
    assert_param(&filled, 0, VIR_MIGRATE_PARAM_MIGRATE_DISKS,
                 VIR_TYPED_PARAM_STRING, "vda");
    assert_param(&filled, 1, VIR_MIGRATE_PARAM_MIGRATE_DISKS,
                 VIR_TYPED_PARAM_STRING, "vdb");
}

static void
test_xml(void)
{
    g_auto(LibvirtOptions) options = {0};
    g_auto(LibvirtParams) filled = {0};
    parse(&options, "--xml", "/a");
    g_assert_cmpstr(options.xml_file, ==, "/a");
    parse(&options, "--persistent-xml", "/b");
    g_assert_cmpstr(options.persistent_xml_file, ==, "/b");
    libvirt_params_fill(&filled, &options, "<there/>", "<kept/>");
    g_assert_cmpint(filled.n, ==, 2);
    assert_param(&filled, 0, VIR_MIGRATE_PARAM_DEST_XML,
                 VIR_TYPED_PARAM_STRING, "<there/>");
    assert_param(&filled, 1, VIR_MIGRATE_PARAM_PERSIST_XML,
                 VIR_TYPED_PARAM_STRING, "<kept/>");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_assert_cmpint(virInitialize(), ==, 0);
    g_test_add_func("/params/nothing", test_nothing);
    g_test_add_func("/params/flags", test_flags);
    g_test_add_func("/params/tls", test_tls);
    g_test_add_func("/params/params", test_params);
    g_test_add_func("/params/many-disks", test_many_disks);
    g_test_add_func("/params/xml", test_xml);
    return g_test_run();
}
