/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The first bytes of every connection, from a stranger: HELLO as the listener
 * reads it, WELCOME as the dialler does.
 */
#include <string.h>

#include "tests/fuzz/fuzz-check.h"
#include "wire/wire-frame.h"

static void
take_hello(const WireHelloBytes *in)
{
    WireHello hello;
    WireHelloBytes again;
    GError *error = NULL;
    bool ok = wire_hello_decode(in, &hello, &error);
    if (ok) {
        uint16_t common = wire_hello_common_version(&hello);
        g_assert_true(common == 0 ||
                      (common >= hello.lowest && common <= hello.version &&
                       common >= WIRE_LOWEST_VERSION &&
                       common <= WIRE_VERSION));
        g_assert_nonnull(wire_role_name(hello.role));
        wire_hello_encode(&hello, &again);
        again.reserved = in->reserved; /* for versions to come */
        g_assert_cmpmem(&again, sizeof again, in, sizeof *in);
    }
    fuzz_end(ok, error, FUZZ_MAY(ERROR_PROTOCOL));
}

static void
take_welcome(const WireWelcomeBytes *in)
{
    WireWelcome welcome;
    WireWelcomeBytes again;
    GError *error = NULL;
    bool ok = wire_welcome_decode(in, &welcome, &error);
    if (ok) {
        g_assert_nonnull(wire_status_name(welcome.status));
        g_assert_true(welcome.status != WIRE_STATUS_OK ||
                      (welcome.version >= WIRE_LOWEST_VERSION &&
                       welcome.version <= WIRE_VERSION));
        wire_welcome_encode(&welcome, &again);
        again.reserved = in->reserved;
        g_assert_cmpmem(&again, sizeof again, in, sizeof *in);
    }
    fuzz_end(ok, error, FUZZ_MAY(ERROR_PROTOCOL));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    WireHelloBytes hello = {0};
    WireWelcomeBytes welcome = {0};
    memcpy(&hello, data, MIN(size, sizeof hello));
    memcpy(&welcome, data, MIN(size, sizeof welcome));
    take_hello(&hello);
    take_welcome(&welcome);
    return 0;
}
