/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A domain's XML as the hook gets it: what we said in its metadata. What was
 * read can be written into the domain and is read again; what belongs to one
 * migration can be taken out.
 */
#include <string.h>

#include "libvirt/libvirt-metadata.h"
#include "tests/fuzz/fuzz-check.h"

static void
assert_same(const LibvirtMetadata *a, const LibvirtMetadata *b)
{
    g_assert_cmpstr(a->address, ==, b->address);
    g_assert_cmpstr(a->token, ==, b->token);
    g_assert_cmpint(a->insecure, ==, b->insecure);
    g_assert_cmpint(a->tls, ==, b->tls);
    g_assert_cmpint(a->collapse_after_migration, ==,
                    b->collapse_after_migration);
}

static void
assert_says(const char *xml, const LibvirtMetadata *expected)
{
    g_auto(LibvirtMetadata) found = {0};
    g_autoptr(GError) error = NULL;
    libvirt_metadata_decode(xml, &found, &error);
    g_assert_no_error(error);
    assert_same(&found, expected);
}

static void
check(const char *xml, const LibvirtMetadata *m)
{
    g_autofree char *element = NULL;
    g_autoptr(GError) error = NULL;
    g_assert_true(!m->address == !m->token);
    g_assert_true(!m->address || m->address[0]);
    g_assert_true(!m->token || (strlen(m->token) == 32 &&
                                strspn(m->token, "0123456789abcdef") == 32));
    g_assert_false(m->insecure && m->tls);
    libvirt_metadata_element(m, &element, &error);
    g_assert_no_error(error);
    if (element) {
        assert_says(element, m);
    }
    /* Our element alone is no domain to put anything into. */
    g_autofree char *whole = libvirt_metadata_encode(xml, m, NULL);
    if (whole) {
        assert_says(whole, m);
        g_autofree char *bare = libvirt_metadata_strip(whole, &error);
        g_assert_no_error(error);
        LibvirtMetadata kept = {
            .collapse_after_migration = m->collapse_after_migration};
        assert_says(bare, &kept);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *xml = fuzz_text(data, size);
    g_auto(LibvirtMetadata) metadata = {0};
    GError *error = NULL;
    bool ok = libvirt_metadata_decode(xml, &metadata, &error);
    if (ok) {
        check(xml, &metadata);
    }
    fuzz_end(ok, error, FUZZ_MAY(ERROR_PROTOCOL));
    return 0;
}
