/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Every decoder against every truncation and against bytes from nowhere: it
 * refuses with PROTOCOL and a message, or what it accepts is within limits
 * and encodes to the same bytes again. Inputs lie in blocks of exactly their
 * size, so that a sanitizer sees one byte too many.
 */
#include <string.h>

#include "base/error.h"
#include "wire/wire-frame.h"

#define INPUTS 150000u

typedef void (*Target)(const GByteArray *in);

static void
end(bool ok, GError *error)
{
    g_assert_cmpint(ok, ==, error == NULL);
    if (error) {
        g_assert_true(error_is(error, ERROR_PROTOCOL));
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
        g_assert_cmpuint(strlen(error->message), >, 15);
        g_error_free(error);
    }
}

static void
try_layout(const GByteArray *in)
{
    g_auto(WireLayout) layout = {0};
    GError *error = NULL;
    bool ok = wire_layout_decode(in, &layout, &error);
    if (ok) {
        g_autoptr(GByteArray) again = g_byte_array_new();
        g_assert_cmpuint(layout.n_blocks, >=, 1);
        g_assert_cmpuint(layout.n_blocks, <=, WIRE_MAX_BLOCKS);
        wire_layout_encode(&layout, again);
        g_assert_cmpuint(again->len, ==, in->len);
    }
    end(ok, error);
}

static void
try_extents(const GByteArray *in)
{
    WireExtents extents;
    GError *error = NULL;
    bool ok = wire_extents_decode(in, &extents, &error);
    if (ok) {
        g_autoptr(GByteArray) again = g_byte_array_new();
        wire_extents_encode(&extents, again);
        g_assert_cmpmem(again->data, again->len, in->data, in->len);
    }
    end(ok, error);
}

static void
try_accept(const GByteArray *in)
{
    GError *error = NULL;
    unsigned streams;
    bool ok = wire_accept_decode(in, &streams, &error);
    end(ok, error);
}

static void
try_run(const GByteArray *in)
{
    GError *error = NULL;
    bool start;
    bool ok = wire_run_decode(in, &start, &error);
    end(ok, error);
}

static void
try_progress(const GByteArray *in)
{
    GError *error = NULL;
    uint64_t a, b;
    bool ok = wire_progress_decode(in, &a, &b, &error);
    end(ok, error);
}

static void
try_bye(const GByteArray *in)
{
    GError *error = NULL;
    uint64_t us;
    bool ok = wire_bye_decode(in, &us, &error);
    end(ok, error);
}

static void
try_abort(const GByteArray *in)
{
    g_autofree char *reason = wire_abort_decode(in);
    g_assert_true(g_utf8_validate(reason, -1, NULL));
    g_assert_cmpuint(strlen(reason), <=, 3 * WIRE_MAX_REASON_BYTES);
    for (const char *at = reason; *at; at = g_utf8_next_char(at)) {
        g_assert_false(g_unichar_iscntrl(g_utf8_get_char(at)));
    }
}

/* Those that read a fixed number of bytes have no short input. */
static void
try_fixed(const GByteArray *in)
{
    union {
        WireHelloBytes hello;
        WireWelcomeBytes welcome;
        WireFrameHeader header;
        WireExtentBytes extent;
        WirePageBytes page;
    } bytes = {0};
    WireHello hello;
    WireWelcome welcome;
    WireExtent extent;
    WirePage page;
    unsigned type;
    size_t length;
    GError *error = NULL;
    if (in->len > 0) {
        memcpy(&bytes, in->data, MIN(in->len, sizeof bytes));
    }
    bool ok = wire_hello_decode(&bytes.hello, &hello, &error);
    end(ok, error);
    error = NULL;
    ok = wire_welcome_decode(&bytes.welcome, &welcome, &error);
    end(ok, error);
    error = NULL;
    ok = wire_extent_decode(&bytes.extent, &extent, &error);
    end(ok, error);
    wire_page_decode(&bytes.page, &page);
    error = NULL;
    ok = wire_frame_header_decode(&bytes.header, &type, &length, &error);
    g_assert_true(!ok || length <= WIRE_MAX_FRAME_BYTES);
    end(ok, error);
}

static const Target targets[] = {try_layout,   try_extents, try_accept,
                                 try_run,      try_progress, try_bye,
                                 try_abort,    try_fixed};

static void
try_all(const uint8_t *bytes, size_t length)
{
    GByteArray in = {.data = length ? g_memdup2(bytes, length) : NULL,
                     .len = (guint)length};
    for (unsigned i = 0; i < G_N_ELEMENTS(targets); i++) {
        targets[i](&in);
    }
    g_free(in.data);
}

/* Something valid of each kind, to start from. */
static GByteArray *
seed_input(unsigned kind)
{
    GByteArray *out = g_byte_array_new();
    WireLayoutBlock blocks[3] = {{4096, "ram0"}, {8192, "ram1"}, {1, "x"}};
    WireLayout layout = {.page_bytes = 4096, .n_blocks = 1 + kind % 3,
                         .blocks = blocks, .name = "guest"};
    uint8_t bitmap[64] = {0xff, 0x0f};
    WireExtents extents = {.n_extents = 100, .bitmap = bitmap};
    WireExtent extent = {.type = WIRE_EXTENT, .data = {5}, .zero = {10}};
    WireHello hello = {.version = 1, .lowest = 1, .role = WIRE_ROLE_BULK};
    WireFrameHeader header;
    g_byte_array_set_size(out, 0);
    switch (kind % 6) {
    case 0:
        wire_layout_encode(&layout, out);
        break;
    case 1:
        wire_extents_encode(&extents, out);
        break;
    case 2:
        wire_abort_encode("disk full \xc3\xa4", out);
        break;
    case 3:
        g_byte_array_set_size(out, sizeof(WireExtentBytes));
        wire_extent_encode(&extent, (WireExtentBytes *)(void *)out->data);
        break;
    case 4:
        g_byte_array_set_size(out, sizeof(WireHelloBytes));
        wire_hello_encode(&hello, (WireHelloBytes *)(void *)out->data);
        break;
    default:
        wire_frame_header_encode(WIRE_FRAME_LAYOUT, kind, &header);
        g_byte_array_append(out, (const uint8_t *)&header, sizeof header);
        wire_progress_encode(kind, kind, out);
    }
    return out;
}

static void
every_truncation(void)
{
    for (unsigned kind = 0; kind < 18; kind++) {
        g_autoptr(GByteArray) whole = seed_input(kind);
        for (guint length = 0; length <= whole->len; length++) {
            try_all(whole->data, length);
        }
    }
}

static void
random_bytes(void)
{
    GRand *rand = g_rand_new_with_seed(4242);
    uint8_t bytes[600];
    for (unsigned i = 0; i < INPUTS; i++) {
        size_t length = (size_t)g_rand_int_range(rand, 0, sizeof bytes);
        if (i % 2) {
            g_autoptr(GByteArray) seed = seed_input(i / 2);
            length = MIN(seed->len, sizeof bytes);
            memcpy(bytes, seed->data, length);
            for (int n = g_rand_int_range(rand, 1, 5); n > 0; n--) {
                bytes[g_rand_int(rand) % length] = (uint8_t)g_rand_int(rand);
            }
        } else {
            for (size_t at = 0; at < length; at++) {
                bytes[at] = (uint8_t)g_rand_int(rand);
            }
        }
        try_all(bytes, length);
    }
    g_rand_free(rand);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/wire-fuzz/truncations", every_truncation);
    g_test_add_func("/wire-fuzz/random", random_bytes);
    return g_test_run();
}
