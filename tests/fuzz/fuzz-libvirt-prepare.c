/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A domain's XML that is to be made ready. What was made ready is ready, stays
 * XML, and needs nothing more.
 */
#include <string.h>

#include "libvirt/libvirt-arguments.h"
#include "libvirt/libvirt-prepare.h"
#include "tests/fuzz/fuzz-check.h"

#define MAY (FUZZ_MAY(ERROR_PROTOCOL) | FUZZ_MAY(ERROR_UNSUPPORTED))

static void
check(const char *prepared)
{
    g_auto(LibvirtPrepare) look = {0};
    g_autoptr(GError) error = NULL;
    libvirt_prepare_look(prepared, &look, &error);
    g_assert_no_error(error);
    g_assert_true(libvirt_prepare_is_ready(&look));
    g_autofree char *twice = libvirt_prepare_domain(prepared, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(prepared, ==, twice);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *xml = fuzz_text(data, size);
    g_auto(LibvirtPrepare) look = {0};
    GError *error = NULL;
    bool ok = libvirt_prepare_look(xml, &look, &error);
    fuzz_end(ok, error, FUZZ_MAY(ERROR_PROTOCOL));
    error = NULL;
    g_autofree char *prepared = libvirt_prepare_domain(xml, &error);
    g_assert_true(ok || !prepared);
    if (prepared) {
        check(prepared);
    }
    fuzz_end(prepared != NULL, error, MAY);
    (void)libvirt_arguments_size(xml);
    g_autofree char *value = libvirt_arguments_property(xml, "id");
    return 0;
}
