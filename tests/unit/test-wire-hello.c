/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The greeting: what both sides make of each other's versions, and of those
 * who speak something else.
 */
#include <string.h>

#include "base/error.h"
#include "wire/wire-frame.h"

static void
hello_there_and_back(void)
{
    WireHello in = {.version = 300, .lowest = 2, .role = WIRE_ROLE_BULK,
                    .index = 63}, out;
    WireHelloBytes bytes;
    GError *error = NULL;
    memset(in.session, 0x5a, sizeof in.session);
    wire_hello_encode(&in, &bytes);
    g_assert_cmpmem(&bytes, 12, "POSTLUDE\x2c\x01\x02\x00", 12);
    g_assert_true(wire_hello_decode(&bytes, &out, &error));
    g_assert_cmpuint(out.version, ==, 300);
    g_assert_cmpuint(out.lowest, ==, 2);
    g_assert_cmpint(out.role, ==, WIRE_ROLE_BULK);
    g_assert_cmpuint(out.index, ==, 63);
    g_assert_cmpmem(out.session, 16, in.session, 16);
}

static void
versions(void)
{
    static const struct {
        uint16_t version, lowest, common;
    } cases[] = {
        {1, 1, 0}, {2, 1, 2}, {65535, 1, 2}, {65535, 0, 2}, {65535, 2, 2},
        {2, 2, 2}, {3, 3, 0}, {0, 0, 0}, {1, 0, 0}, {2, 0, 2},
    };
    G_STATIC_ASSERT(WIRE_VERSION == 2 && WIRE_LOWEST_VERSION == 2);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        WireHello hello = {.version = cases[i].version,
                           .lowest = cases[i].lowest};
        g_assert_cmpuint(wire_hello_common_version(&hello), ==,
                         cases[i].common);
    }
}

static void
no_hello(void)
{
    WireHello in = {.version = 1, .lowest = 2}, out;
    WireHelloBytes bytes;
    g_autoptr(GError) upside_down = NULL, stranger = NULL;
    wire_hello_encode(&in, &bytes);
    g_assert_false(wire_hello_decode(&bytes, &out, &upside_down));
    g_assert_true(error_is(upside_down, ERROR_PROTOCOL));
    memcpy(&bytes, "GET / HTTP/1.1\r\nHost: x\r\n\r\n    ", 32);
    g_assert_false(wire_hello_decode(&bytes, &out, &stranger));
    g_assert_true(error_is(stranger, ERROR_PROTOCOL));
}

static void
welcome(void)
{
    WireWelcome in = {.version = 1, .status = WIRE_STATUS_BUSY}, out;
    WireWelcomeBytes bytes;
    GError *error = NULL;
    wire_welcome_encode(&in, &bytes);
    g_assert_true(wire_welcome_decode(&bytes, &out, &error));
    g_assert_cmpint(out.status, ==, WIRE_STATUS_BUSY);
    for (uint16_t version = 0; version < 4; version++) {
        in = (WireWelcome){.version = version, .status = WIRE_STATUS_OK};
        wire_welcome_encode(&in, &bytes);
        g_assert_cmpint(wire_welcome_decode(&bytes, &out, &error), ==,
                        version == WIRE_VERSION);
        if (error) {
            g_assert_true(error_is(error, ERROR_PROTOCOL));
            g_assert_nonnull(strstr(error->message, "same postlude on both"));
            g_clear_error(&error);
        }
        /* A refusal may come from a version we do not speak. */
        in.status = WIRE_STATUS_VERSION;
        wire_welcome_encode(&in, &bytes);
        g_assert_true(wire_welcome_decode(&bytes, &out, &error));
    }
    memcpy(&bytes, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", 32);
    g_assert_false(wire_welcome_decode(&bytes, &out, &error));
    g_assert_nonnull(strstr(error->message, "'postlude send'"));
    g_clear_error(&error);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hello/round-trip", hello_there_and_back);
    g_test_add_func("/hello/versions", versions);
    g_test_add_func("/hello/strangers", no_hello);
    g_test_add_func("/hello/welcome", welcome);
    return g_test_run();
}
