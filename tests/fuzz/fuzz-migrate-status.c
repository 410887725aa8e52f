/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What another helper's status socket says, on its way to a terminal.
 */
#include <string.h>

#include "migrate/show/migrate-status.h"
#include "tests/fuzz/fuzz-check.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *json = fuzz_text(data, size);
    g_autofree char *line = migrate_status_describe(json);
    g_assert_true(!line || (strstr(line, " pid ") && fuzz_is_printable(line)));
    return 0;
}
