/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libvirt's status XML of a domain.
 */
#include <string.h>

#include "migrate/sweep/migrate-domain.h"
#include "tests/fuzz/fuzz-check.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = fuzz_text(data, size);
    g_auto(MigrateDomain) domain = {0};
    GError *error = NULL;
    bool ok = migrate_domain_parse(text, &domain, &error);
    if (ok) {
        g_assert_cmpint(domain.pid, >, 0);
        g_assert_nonnull(domain.job);
        g_assert_nonnull(strstr(text, "domstatus"));
    } else {
        g_assert_null(domain.monitor);
        g_assert_null(domain.job);
    }
    fuzz_end(ok, error, FUZZ_MAY(ERROR_PROTOCOL));
    return 0;
}
