/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Our element in a domain's metadata: there and back, gone without trace, and
 * refused when it says anything that is not understood.
 */
#include <string.h>

#include "base/error.h"
#include "libvirt/libvirt-metadata.h"
#include "libvirt/libvirt-xml.h"

#define TOKEN "00112233445566778899aabbccddeeff"
#define ADDRESS "[fd00::1]:4711"
#define OURS "xmlns:p=\"" LIBVIRT_METADATA_URI "\""
#define RECEIVE "<p:receive address=\"" ADDRESS "\" token=\"" TOKEN "\"/>"

/* As libvirt prints them, with metadata of somebody else's in the second. */
static const char bare[] =
    "<domain type=\"kvm\">\n  <name>vm &amp; co</name>\n"
    "  <uuid>11111111-2222-3333-4444-555555555555</uuid>\n"
    "  <memory unit=\"KiB\">524288</memory>\n  <devices/>\n</domain>";
static const char others[] =
    "<domain type=\"kvm\">\n  <name>vm</name>\n  <metadata>\n"
    "    <nova:instance xmlns:nova=\"http://openstack.org/xmlns/libvirt/nova/"
    "1.1\">\n      <nova:name>x</nova:name>\n    </nova:instance>\n"
    "  </metadata>\n  <devices/>\n</domain>";

static LibvirtMetadata
full(void)
{
    return (LibvirtMetadata){.address = (char *)ADDRESS,
                             .token = (char *)TOKEN,
                             .insecure = true,
                             .collapse_after_migration = true};
}

static void
test_there_and_back(gconstpointer data)
{
    const char *domain = data;
    g_autoptr(GError) error = NULL;
    LibvirtMetadata in = full();
    g_autofree char *with = libvirt_metadata_encode(domain, &in, &error);
    g_assert_no_error(error);
    g_auto(LibvirtMetadata) out = {0};
    g_assert_true(libvirt_metadata_decode(with, &out, &error));
    g_assert_cmpstr(out.address, ==, ADDRESS);
    g_assert_cmpstr(out.token, ==, TOKEN);
    g_assert_true(out.insecure);
    g_assert_false(out.tls);
    g_assert_true(out.collapse_after_migration);

    /* Twice is once. */
    g_autofree char *again = libvirt_metadata_encode(with, &in, &error);
    g_assert_cmpstr(again, ==, with);

    LibvirtMetadata none = {0};
    g_autofree char *without = libvirt_metadata_encode(with, &none, &error);
    g_assert_cmpstr(without, ==, domain);
}

static void
test_strip_leaves_what_the_operator_wrote(void)
{
    g_autoptr(GError) error = NULL;
    LibvirtMetadata wish = {.collapse_after_migration = true}, in = full();
    g_autofree char *before = libvirt_metadata_encode(others, &wish, &error);
    g_autofree char *with = libvirt_metadata_encode(before, &in, &error);
    g_assert_nonnull(strstr(with, TOKEN));
    g_autofree char *after = libvirt_metadata_strip(with, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(after, ==, before);
    g_assert_nonnull(strstr(after, "nova:instance"));
    g_assert_null(strstr(after, TOKEN));
    g_autofree char *never = libvirt_metadata_strip(bare, &error);
    g_assert_cmpstr(never, ==, bare);
}

static void
test_the_element_alone(void)
{
    g_autoptr(GError) error = NULL;
    LibvirtMetadata in = full(), none = {0};
    g_autofree char *element = NULL, *nothing = NULL;
    g_assert_true(libvirt_metadata_element(&in, &element, &error));
    /* libvirt adds both, and fails where they are already. */
    g_assert_null(strstr(element, "xmlns"));
    g_assert_null(strstr(element, "postlude:"));
    g_auto(LibvirtMetadata) out = {0};
    g_assert_true(libvirt_metadata_decode(element, &out, &error));
    g_assert_cmpstr(out.token, ==, TOKEN);
    g_assert_true(libvirt_metadata_element(&none, &nothing, &error));
    g_assert_null(nothing);
    g_assert_null(libvirt_metadata_encode(element, &in, &error));
    g_assert_true(error_is(error, ERROR_USAGE));
}

/* What "virsh metadata --set" makes of it: only the outer one has the prefix;
 * and another prefix, and digits in capitals. */
static void
test_other_spellings(void)
{
    static const char *const texts[] = {
        "<domain><metadata><postlude:guest xmlns:postlude=\""
        LIBVIRT_METADATA_URI "\"><receive address=\"" ADDRESS "\" token=\""
        TOKEN "\" tls=\"yes\"/></postlude:guest></metadata></domain>",
        "<domain><metadata><x:guest xmlns:x=\"" LIBVIRT_METADATA_URI
        "\"><!-- c --><x:receive tls='yes' token='00112233445566778899AABBCC"
        "DDEEFF' address='" ADDRESS "'/></x:guest></metadata></domain>",
        "<guest xmlns=\"" LIBVIRT_METADATA_URI "\"><receive address='" ADDRESS
        "' tls='yes' insecure='no' token='" TOKEN "'/></guest>",
        /* as virDomainGetMetadata() gives it */
        "<guest>\n  <receive address='" ADDRESS "' tls='yes' token='" TOKEN
        "'/>\n</guest>"};
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        g_auto(LibvirtMetadata) out = {0};
        libvirt_metadata_decode(texts[i], &out, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(out.token, ==, TOKEN);
        g_assert_true(out.tls);
        g_assert_false(out.insecure);
    }
}

/* Names that are ours elsewhere, or not ours here. */
static void
test_what_is_not_ours(void)
{
    static const char *const texts[] = {
        "<domain><metadata/></domain>", "<domain/>",
        "<domain><metadata><guest><receive address='a:1'/></guest></metadata>"
        "</domain>",
        "<domain><devices><p:guest " OURS ">" RECEIVE "</p:guest></devices>"
        "</domain>",
        "<domain><metadata><p:guest xmlns:p='https://postlude.org/libvirt/2'>"
        "<p:later/></p:guest></metadata></domain>"};
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        g_auto(LibvirtMetadata) out = {0};
        libvirt_metadata_decode(texts[i], &out, &error);
        g_assert_no_error(error);
        g_assert_null(out.address);
        g_assert_false(out.collapse_after_migration);
    }
}

typedef struct {
    const char *inside; /* of our element, or with '<d' a whole text */
    const char *why;
} Refusal;

static const Refusal refusals[] = {
    {"<p:receive token='" TOKEN "'/>", "no address"},
    {"<p:receive/>", "no address"},
    {"<p:receive address='a:1'/>", "not 32 hexadecimal"},
    {"<p:receive address='a:1' token='0011'/>", "not 32 hexadecimal"},
    {"<p:receive address='a:1' token='" TOKEN "0'/>", "not 32 hexadecimal"},
    {"<p:receive address='a:1' token='g0112233445566778899aabbccddeeff'/>",
     "not 32 hexadecimal"},
    {"<p:receive address='' token='" TOKEN "'/>", "not HOST:PORT"},
    {"<p:receive address='--x:1' token='" TOKEN "'/>", "not HOST:PORT"},
    {"<p:receive address='a 1:2' token='" TOKEN "'/>", "not HOST:PORT"},
    {"<p:receive address='a:1&#10;' token='" TOKEN "'/>", "not HOST:PORT"},
    {"<p:receive address='host' token='" TOKEN "'/>", "not HOST:PORT"},
    {"<p:receive address='a:1' token='" TOKEN "' tls='yes' insecure='yes'/>",
     "exclude each other"},
    {"<p:receive address='a:1' token='" TOKEN "' insecure='1'/>",
     "neither yes nor no"},
    {"<p:receive address='a:1' token='" TOKEN "' later='1'/>", "'later'"},
    {"<p:receive address='a:1' token='" TOKEN "' tls-hostname='a.b'/>",
     "tls-hostname"},
    {"<p:receive address='a:1' token='" TOKEN
     "' tls='yes' tls-hostname='-rf'/>", "tls-hostname"},
    {"<p:receive address='a:1' token='" TOKEN "' p:tls='yes'/>",
     "does not know"},
    {RECEIVE RECEIVE, "twice"},
    {"<p:later/>", "not known"},
    {"<q:receive xmlns:q='urn:q' address='a:1'/>", "not known"},
    {"<p:collapse after-migration='perhaps'/>", "neither yes nor no"},
    {"<d", "cannot be read"},
    {"<d/>", "no libvirt domain"},
    {"<domain><metadata><p:guest " OURS "/><p:guest " OURS "/></metadata>"
     "</domain>", "two elements"},
    {"<domain><metadata/><metadata><p:guest " OURS "/></metadata></domain>",
     "two elements <metadata>"},
    {"<domain><metadata><p:receive " OURS " address='a:1'/></metadata>"
     "</domain>", "<receive>"},
    {"<domain><metadata>", "cannot be read"},
    {"<!DOCTYPE d [<!ENTITY a 'aaaa'>]><domain><name>&a;</name></domain>",
     "cannot be read"},
    {"", "cannot be read"},
};

static void
test_refused(gconstpointer data)
{
    const Refusal *r = data;
    bool whole = !*r->inside || r->inside[1] == 'd' || r->inside[1] == '!';
    g_autofree char *text =
        whole ? g_strdup(r->inside)
              : g_strdup_printf("<domain><metadata><p:guest " OURS
                                ">%s</p:guest></metadata></domain>",
                                r->inside);
    g_autoptr(GError) error = NULL;
    g_auto(LibvirtMetadata) out = {0};
    g_assert_false(libvirt_metadata_decode(text, &out, &error));
    g_assert_true(error_is(error, ERROR_PROTOCOL));
    if (!strstr(error->message, r->why)) {
        g_error("'%s' does not say '%s'", error->message, r->why);
    }
    g_assert_null(out.address);
    g_assert_null(out.token);
}

static void
test_too_large(void)
{
    g_autoptr(GString) text = g_string_new("<domain><name>");
    while (text->len <= LIBVIRT_XML_MAX_BYTES) {
        g_string_append(text, "0123456789012345678901234567890123456789");
    }
    g_string_append(text, "</name></domain>");
    g_autoptr(GError) error = NULL;
    g_auto(LibvirtMetadata) out = {0};
    g_assert_false(libvirt_metadata_decode(text->str, &out, &error));
    g_assert_nonnull(strstr(error->message, "are not read"));
}

static void
test_nonsense_is_not_written(void)
{
    LibvirtMetadata wrong[] = {
        {.address = (char *)"a:1"},
        {.address = (char *)"a:1", .token = (char *)"x"},
        {.address = (char *)"a\":1", .token = (char *)"0"},
        {.token = (char *)TOKEN}};
    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL, too = NULL;
        g_autofree char *element = NULL;
        g_assert_null(libvirt_metadata_encode(bare, &wrong[i], &error));
        g_assert_true(error_is(error, ERROR_USAGE));
        g_assert_false(libvirt_metadata_element(&wrong[i], &element, &too));
        g_assert_true(error_is(too, ERROR_USAGE));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/metadata/into-a-bare-domain-and-out", bare,
                         test_there_and_back);
    g_test_add_data_func("/metadata/beside-others-and-out", others,
                         test_there_and_back);
    g_test_add_func("/metadata/strip", test_strip_leaves_what_the_operator_wrote);
    g_test_add_func("/metadata/element", test_the_element_alone);
    g_test_add_func("/metadata/other-spellings", test_other_spellings);
    g_test_add_func("/metadata/not-ours", test_what_is_not_ours);
    for (unsigned i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_autofree char *path = g_strdup_printf("/metadata/refused/%u", i);
        g_test_add_data_func(path, &refusals[i], test_refused);
    }
    g_test_add_func("/metadata/too-large", test_too_large);
    g_test_add_func("/metadata/nonsense", test_nonsense_is_not_written);
    return g_test_run();
}
