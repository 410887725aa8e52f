/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Every message there and back, every limit from both sides, every length but
 * the right one.
 */
#include "wire/wire-frame.h"

#include <string.h>

#include "base/error.h"

static void
assert_refused(bool ok, GError **error)
{
    g_assert_false(ok);
    g_assert_true(error_is(*error, ERROR_PROTOCOL));
    g_assert_cmpuint(strlen((*error)->message), >, 15);
    g_clear_error(error);
}

static void
names(void)
{
    for (unsigned i = 0; i < 300; i++) {
        bool role = i >= 1 && i <= WIRE_ROLE_BULK;
        bool frame = i >= 1 && i <= WIRE_FRAME_LAST;
        g_assert_cmpint(!g_str_equal(wire_role_name((WireRole)i), "unknown"),
                        ==, role);
        g_assert_cmpint(
            !g_str_equal(wire_status_name((WireStatus)i), "unknown"), ==,
            i <= WIRE_STATUS_TLS);
        g_assert_cmpint(!g_str_equal(wire_frame_name(i), "unknown"), ==,
                        frame);
    }
    g_assert_cmpstr(wire_role_name(WIRE_ROLE_URGENT), ==, "urgent");
    g_assert_cmpstr(wire_frame_name(WIRE_FRAME_RUN), ==, "RUN");
}

/* The bytes on the wire, not only the way back: little-endian, as written in
 * docs/protocol.md. */
static void
headers(void)
{
    static const uint8_t bytes[8] = {3, 0, 0, 0, 0x34, 0x12, 1, 0};
    WireFrameHeader header;
    GError *error = NULL;
    unsigned type;
    size_t length;
    wire_frame_header_encode(WIRE_FRAME_EXTENTS, 0x11234, &header);
    g_assert_cmpmem(&header, sizeof header, bytes, sizeof bytes);
    g_assert_true(wire_frame_header_decode(&header, &type, &length, &error));
    g_assert_cmpuint(type, ==, WIRE_FRAME_EXTENTS);
    g_assert_cmpuint(length, ==, 0x11234);

    wire_frame_header_encode(WIRE_FRAME_DONE, WIRE_MAX_FRAME_BYTES, &header);
    g_assert_true(wire_frame_header_decode(&header, &type, &length, &error));
    wire_frame_header_encode(WIRE_FRAME_DONE, WIRE_MAX_FRAME_BYTES + 1,
                             &header);
    assert_refused(wire_frame_header_decode(&header, &type, &length, &error),
                   &error);
    wire_frame_header_encode(0, 0, &header);
    assert_refused(wire_frame_header_decode(&header, &type, &length, &error),
                   &error);
    wire_frame_header_encode(WIRE_FRAME_LAST + 1, 0, &header);
    assert_refused(wire_frame_header_decode(&header, &type, &length, &error),
                   &error);
    wire_frame_header_encode(WIRE_FRAME_DONE, 0, &header);
    header.reserved = 1;
    assert_refused(wire_frame_header_decode(&header, &type, &length, &error),
                   &error);
}

static WireLayout
make_layout(unsigned n)
{
    WireLayout layout = {.page_bytes = 4096, .streams = 3, .n_blocks = n};
    for (unsigned i = 0; i < 16; i++) {
        layout.uuid[i] = (uint8_t)(i * 17);
    }
    g_strlcpy(layout.name, "débian", sizeof layout.name);
    layout.blocks = g_new0(WireLayoutBlock, n);
    for (unsigned i = 0; i < n; i++) {
        layout.blocks[i].bytes = UINT64_MAX - i;
        g_snprintf(layout.blocks[i].name, sizeof layout.blocks[i].name,
                   "/objects/ram%u", i);
    }
    return layout;
}

static void
layout(void)
{
    static const unsigned counts[] = {1, 2, WIRE_MAX_BLOCKS};
    for (unsigned c = 0; c < G_N_ELEMENTS(counts); c++) {
        g_auto(WireLayout) in = make_layout(counts[c]), out = {0};
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        GError *error = NULL;
        wire_layout_encode(&in, bytes);
        g_assert_cmpuint(bytes->len, ==, 152 + counts[c] * 264);
        g_assert_true(wire_layout_decode(bytes, &out, &error));
        g_assert_cmpuint(out.n_blocks, ==, in.n_blocks);
        g_assert_cmpuint(out.page_bytes, ==, 4096);
        g_assert_cmpuint(out.streams, ==, 3);
        g_assert_cmpstr(out.name, ==, in.name);
        g_assert_cmpmem(out.uuid, 16, in.uuid, 16);
        g_assert_cmpmem(out.blocks, counts[c] * sizeof *out.blocks, in.blocks,
                        counts[c] * sizeof *in.blocks);
    }
}

static void
bad_layouts(void)
{
    static const unsigned counts[] = {0, WIRE_MAX_BLOCKS + 1, 65535};
    WireLayout out = {0};
    GError *error = NULL;
    for (unsigned c = 0; c < G_N_ELEMENTS(counts); c++) {
        g_auto(WireLayout) in = make_layout(counts[c]);
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        wire_layout_encode(&in, bytes);
        assert_refused(wire_layout_decode(bytes, &out, &error), &error);
    }
    static const struct {
        unsigned at;
        uint8_t value;
    } breaks[] = {
        {24, 0xff},           /* VM name: not UTF-8 */
        {24, 0x1b},           /* VM name: an escape character */
        {152 + 264 + 8, 0x80} /* name of the second block */,
        {152 + 8 + 1, '\n'},
        {4, 3},               /* one block more than there is */
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(breaks); i++) {
        g_auto(WireLayout) in = make_layout(2);
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        wire_layout_encode(&in, bytes);
        bytes->data[breaks[i].at] = breaks[i].value;
        assert_refused(wire_layout_decode(bytes, &out, &error), &error);
    }
    g_auto(WireLayout) in = make_layout(1);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    wire_layout_encode(&in, bytes);
    memset(bytes->data + 160, 'x', WIRE_BLOCK_NAME_BYTES); /* no end */
    assert_refused(wire_layout_decode(bytes, &out, &error), &error);
    g_assert_null(out.blocks);
}

/* A long name is cut where a character ends, or the peer would refuse it. */
static void
long_names(void)
{
    g_auto(WireLayout) in = make_layout(1), out = {0};
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    GError *error = NULL;
    memset(in.name, 'x', WIRE_VM_NAME_BYTES);
    memcpy(in.name + WIRE_VM_NAME_BYTES - 2, "\xc3", 2);
    wire_layout_encode(&in, bytes);
    wire_layout_decode(bytes, &out, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(strlen(out.name), ==, WIRE_VM_NAME_BYTES - 2);
}

static void
extents(void)
{
    static const unsigned counts[] = {0, 1, 7, 8, 9, 4096};
    uint8_t bitmap[512];
    GError *error = NULL;
    memset(bitmap, 0xa5, sizeof bitmap);
    for (unsigned i = 0; i < G_N_ELEMENTS(counts); i++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        WireExtents in = {.block = 65535,
                          .flags = WIRE_EXTENTS_FINAL | WIRE_EXTENTS_LAST,
                          .first_extent = UINT32_MAX,
                          .n_extents = counts[i],
                          .bitmap = bitmap};
        WireExtents out;
        wire_extents_encode(&in, bytes);
        g_assert_cmpuint(bytes->len, ==, 12 + (counts[i] + 7) / 8);
        g_assert_true(wire_extents_decode(bytes, &out, &error));
        g_assert_cmpuint(out.block, ==, in.block);
        g_assert_cmpuint(out.flags, ==, in.flags);
        g_assert_cmpuint(out.first_extent, ==, in.first_extent);
        g_assert_cmpuint(out.n_extents, ==, in.n_extents);
        g_assert_cmpmem(out.bitmap, bytes->len - 12, bitmap, bytes->len - 12);
        /* Claims more than it brings. */
        memset(bytes->data + 8, 0xff, 4);
        assert_refused(wire_extents_decode(bytes, &out, &error), &error);
    }
}

static void
presents(void)
{
    static const unsigned counts[] = {0, 1, 8, 9, 524288};
    g_autofree uint8_t *bitmap = g_malloc(65536);
    GError *error = NULL;
    memset(bitmap, 0x5a, 65536);
    for (unsigned i = 0; i < G_N_ELEMENTS(counts); i++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        WirePresent in = {.block = 7,
                          .flags = WIRE_PRESENT_LAST,
                          .first_page = UINT64_C(512) << 40,
                          .n_pages = counts[i],
                          .bitmap = bitmap};
        WirePresent out;
        wire_present_encode(&in, bytes);
        g_assert_cmpuint(bytes->len, ==, 16 + (counts[i] + 7) / 8);
        g_assert_true(wire_present_decode(bytes, &out, &error));
        g_assert_cmpuint(out.block, ==, in.block);
        g_assert_cmpuint(out.flags, ==, in.flags);
        g_assert_cmpuint(out.first_page, ==, in.first_page);
        g_assert_cmpuint(out.n_pages, ==, in.n_pages);
        g_assert_cmpmem(out.bitmap, bytes->len - 16, bitmap, bytes->len - 16);
        /* Begins inside an extent; then, claims more than it brings. */
        bytes->data[8] = 1;
        assert_refused(wire_present_decode(bytes, &out, &error), &error);
        bytes->data[8] = 0;
        memset(bytes->data + 4, 0xff, 4);
        assert_refused(wire_present_decode(bytes, &out, &error), &error);
    }
}

static void
resumes(void)
{
    GError *error = NULL;
    unsigned flags = 0;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    wire_reconnect_encode(WIRE_RECONNECT_STARTED | WIRE_RECONNECT_COMPLETE,
                          bytes);
    g_assert_cmpuint(bytes->len, ==, 4);
    g_assert_cmpuint(bytes->data[0], ==, 3);
    g_assert_true(wire_reconnect_decode(bytes, &flags, &error));
    g_assert_cmpuint(flags, ==, 3);
    g_byte_array_set_size(bytes, 3);
    assert_refused(wire_reconnect_decode(bytes, &flags, &error), &error);
}

static void
small_frames(void)
{
    GError *error = NULL;
    uint64_t a, b;
    bool start = false;
    unsigned streams;
    g_autoptr(GByteArray) run = g_byte_array_new();
    wire_run_encode(true, run);
    g_assert_true(wire_run_decode(run, &start, &error));
    g_assert_true(start);
    g_autoptr(GByteArray) progress = g_byte_array_new();
    wire_progress_encode(UINT64_MAX, 7, progress);
    g_assert_true(wire_progress_decode(progress, &a, &b, &error));
    g_assert_cmpuint(a, ==, UINT64_MAX);
    g_assert_cmpuint(b, ==, 7);
    g_autoptr(GByteArray) bye = g_byte_array_new();
    wire_bye_encode(123456789012, bye);
    g_assert_true(wire_bye_decode(bye, &a, &error));
    g_assert_cmpuint(a, ==, 123456789012);
    for (unsigned n = 0; n <= WIRE_MAX_STREAMS + 1; n++) {
        g_autoptr(GByteArray) accept = g_byte_array_new();
        wire_accept_encode(n, accept);
        streams = 7;
        bool ok = wire_accept_decode(accept, &streams, &error);
        g_assert_cmpint(ok, ==, n >= 1 && n <= WIRE_MAX_STREAMS);
        g_assert_cmpuint(streams, ==, ok ? n : 7); /* refused: untouched */
        g_clear_error(&error);
    }
}

/* What a stranger calls a reason goes to a terminal. */
static void
reasons(void)
{
    static const struct {
        const char *sent, *shown;
    } cases[] = {
        {"no room", "no room"},
        {"a\033[2Jb\r\n\tc\177", "a [2Jb   c "},
        {"a\xc2\x9b" "2Jb", "a  2Jb"}, /* U+009B is an escape too */
        {"Gr\xc3\xb6\xc3\x9f" "e", "Gr\xc3\xb6\xc3\x9f" "e"},
        {"\xff", "\xef\xbf\xbd"},
        {"", "(no reason given)"},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        wire_abort_encode(cases[i].sent, bytes);
        g_autofree char *shown = wire_abort_decode(bytes);
        g_assert_cmpstr(shown, ==, cases[i].shown);
    }
    g_autofree char *endless = g_strnfill(3 * WIRE_MAX_REASON_BYTES, 'x');
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    wire_abort_encode(endless, bytes);
    g_byte_array_append(bytes, (const uint8_t *)endless, 5000);
    g_autofree char *shown = wire_abort_decode(bytes);
    g_assert_cmpuint(strlen(shown), ==, WIRE_MAX_REASON_BYTES);
}

static void
ends(void)
{
    GError *error = NULL;
    WireEndedCode code;
    char *words = NULL;
    for (unsigned i = 0; i <= WIRE_ENDED_LAST + 1; i++) {
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        bool known = i >= 1 && i <= WIRE_ENDED_LAST;
        wire_ended_encode((WireEndedCode)i, "powered\033 off", bytes);
        g_assert_cmpuint(bytes->data[0], ==, i);
        g_assert_cmpint(!g_str_equal(wire_ended_name(i), "unknown"), ==,
                        known);
        if (!known) {
            assert_refused(wire_ended_decode(bytes, &code, &words, &error),
                           &error);
            g_assert_null(words);
            continue;
        }
        g_assert_true(wire_ended_decode(bytes, &code, &words, &error));
        g_assert_cmpuint(code, ==, i);
        g_assert_cmpstr(words, ==, "powered  off");
        g_clear_pointer(&words, g_free);
        g_byte_array_set_size(bytes, 3);
        assert_refused(wire_ended_decode(bytes, &code, &words, &error),
                       &error);
    }
    g_assert_cmpstr(wire_ended_name(WIRE_ENDED_SHUT_DOWN), ==, "shut down");
}

static void
pages(void)
{
    WirePage in = {.type = WIRE_ZERO, .block = 65535, .page = UINT64_MAX - 1};
    WirePage out;
    WirePageBytes bytes;
    wire_page_encode(&in, &bytes);
    wire_page_decode(&bytes, &out);
    g_assert_cmpmem(&in, sizeof in, &out, sizeof out);
    g_assert_cmpuint(sizeof bytes, ==, 16);
}

static void
bulk_extents(void)
{
    WireExtent in = {.type = WIRE_EXTENT, .block = 3, .extent = 0x01020304};
    WireExtent out;
    WireExtentBytes bytes;
    GError *error = NULL;
    for (unsigned i = 0; i < 8; i++) {
        in.data[i] = UINT64_C(0x5555555555555555) << (i % 2);
        in.zero[i] = ~in.data[i];
    }
    wire_extent_encode(&in, &bytes);
    g_assert_true(wire_extent_decode(&bytes, &out, &error));
    g_assert_cmpmem(&in, sizeof in, &out, sizeof out);
    /* Page 9 is bit 1 of byte 1, on any machine. */
    in = (WireExtent){.type = WIRE_EXTENT, .data = {1u << 9}};
    wire_extent_encode(&in, &bytes);
    g_assert_cmpuint(bytes.data[1], ==, 2);
    for (unsigned page = 0; page < 512; page += 73) {
        WireExtent both = {.type = WIRE_EXTENT};
        both.data[page / 64] = both.zero[page / 64] = UINT64_C(1)
                                                      << (page % 64);
        wire_extent_encode(&both, &bytes);
        assert_refused(wire_extent_decode(&bytes, &out, &error), &error);
    }
    static const unsigned types[] = {0, 1, 2, 3, 6, 65535};
    for (unsigned i = 0; i < G_N_ELEMENTS(types); i++) {
        WireExtent odd = {.type = types[i]};
        wire_extent_encode(&odd, &bytes);
        assert_refused(wire_extent_decode(&bytes, &out, &error), &error);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/frame/names", names);
    g_test_add_func("/frame/headers", headers);
    g_test_add_func("/frame/layout", layout);
    g_test_add_func("/frame/layout/bad", bad_layouts);
    g_test_add_func("/frame/layout/long-names", long_names);
    g_test_add_func("/frame/extents", extents);
    g_test_add_func("/frame/present", presents);
    g_test_add_func("/frame/resume", resumes);
    g_test_add_func("/frame/small", small_frames);
    g_test_add_func("/frame/reasons", reasons);
    g_test_add_func("/frame/ends", ends);
    g_test_add_func("/frame/pages", pages);
    g_test_add_func("/frame/bulk-extents", bulk_extents);
    return g_test_run();
}
