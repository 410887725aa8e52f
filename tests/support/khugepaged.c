/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What khugepaged has done: see khugepaged.h.
 */
#include "tests/support/khugepaged.h"

#include <glib.h>

#include "base/range.h"

#define COLLAPSED                                                           \
    "/sys/kernel/mm/transparent_hugepage/khugepaged/pages_collapsed"

uint64_t
khugepaged_made_bytes(void)
{
    g_autofree char *extents = NULL;
    if (!g_file_get_contents(COLLAPSED, &extents, NULL, NULL)) {
        return 0;
    }
    return g_ascii_strtoull(extents, NULL, 10) * EXTENT_BYTES;
}
