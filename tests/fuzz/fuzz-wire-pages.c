/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The messages of the urgent and the bulk connections, of fixed length. What
 * is not refused encodes to the same bytes, so nothing of it was overlooked.
 */
#include <string.h>

#include "tests/fuzz/fuzz-check.h"
#include "wire/wire-frame.h"

static void
take_page(const WirePageBytes *in)
{
    WirePage page;
    WirePageBytes again;
    wire_page_decode(in, &page);
    wire_page_encode(&page, &again);
    again.reserved = in->reserved;
    g_assert_cmpmem(&again, sizeof again, in, sizeof *in);
}

static void
take_extent(const WireExtentBytes *in)
{
    WireExtent extent;
    WireExtentBytes again;
    GError *error = NULL;
    bool ok = wire_extent_decode(in, &extent, &error);
    if (ok) {
        g_assert_true(extent.type == WIRE_EXTENT || extent.type == WIRE_END);
        for (unsigned i = 0; i < 8; i++) {
            g_assert_cmpuint(extent.data[i] & extent.zero[i], ==, 0);
        }
        wire_extent_encode(&extent, &again);
        g_assert_cmpmem(&again, sizeof again, in, sizeof *in);
    }
    fuzz_end(ok, error, FUZZ_MAY(ERROR_PROTOCOL));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    WirePageBytes page = {0};
    WireExtentBytes extent = {0};
    memcpy(&page, data, MIN(size, sizeof page));
    memcpy(&extent, data, MIN(size, sizeof extent));
    take_page(&page);
    take_extent(&extent);
    return 0;
}
