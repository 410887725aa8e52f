/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Writes one valid input of each kind that is no text, as seeds for the
 * fuzzers: fuzz-seeds tests/fuzz/corpora. To be run again when the protocol
 * changes; an old seed is still an input.
 */
#include <stdio.h>

#include "wire/wire-frame.h"

static const char *root;

static void
save(const char *corpus, const char *name, const void *bytes, size_t size)
{
    g_autofree char *dir = g_build_filename(root, corpus, NULL);
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autoptr(GError) error = NULL;
    g_mkdir_with_parents(dir, 0755);
    if (!g_file_set_contents(path, bytes, (gssize)size, &error)) {
        g_error("%s", error->message);
    }
}

static void
append_frame(GByteArray *out, unsigned type, const GByteArray *payload)
{
    WireFrameHeader header;
    wire_frame_header_encode(type, payload ? payload->len : 0, &header);
    g_byte_array_append(out, (const uint8_t *)&header, sizeof header);
    if (payload) {
        g_byte_array_append(out, payload->data, payload->len);
    }
}

/* One payload of each frame type; empty for those that have none. */
static GByteArray *
payload_of(unsigned type)
{
    WireLayoutBlock blocks[2] = {{64u << 20, "pc.ram"}, {4096, "x"}};
    WireLayout layout = {.page_bytes = 4096, .streams = 2, .n_blocks = 2,
                         .blocks = blocks, .name = "gu\303\244st"};
    uint8_t bitmap[2] = {0xff, 0x01};
    WireExtents extents = {.block = 1, .flags = WIRE_EXTENTS_LAST,
                           .n_extents = 9, .bitmap = bitmap};
    WirePresent present = {.flags = WIRE_PRESENT_LAST, .first_page = 512,
                           .n_pages = 9, .bitmap = bitmap};
    GByteArray *out = g_byte_array_new();
    switch (type) {
    case WIRE_FRAME_LAYOUT: wire_layout_encode(&layout, out); break;
    case WIRE_FRAME_ACCEPT: wire_accept_encode(2, out); break;
    case WIRE_FRAME_EXTENTS: wire_extents_encode(&extents, out); break;
    case WIRE_FRAME_RUN: wire_run_encode(true, out); break;
    case WIRE_FRAME_PROGRESS: wire_progress_encode(7, 3, out); break;
    case WIRE_FRAME_RECONNECT:
        wire_reconnect_encode(WIRE_RECONNECT_STARTED, out);
        break;
    case WIRE_FRAME_PRESENT: wire_present_encode(&present, out); break;
    case WIRE_FRAME_BYE: wire_bye_encode(1234, out); break;
    case WIRE_FRAME_ABORT: wire_abort_encode("no room\033[m", out); break;
    case WIRE_FRAME_ENDED:
        wire_ended_encode(WIRE_ENDED_SHUT_DOWN, "powered\033[m off", out);
        break;
    default: break;
    }
    return out;
}

static void
save_bits(const char *name, unsigned type, const void *head, size_t size)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    g_autoptr(GByteArray) frame = g_byte_array_new();
    g_byte_array_append(payload, head, (guint)size);
    append_frame(frame, type, payload);
    save("wire-frame", name, frame->data, frame->len);
}

static void
save_frames(void)
{
    g_autoptr(GByteArray) all = g_byte_array_new();
    for (unsigned type = 1; type <= WIRE_FRAME_LAST; type++) {
        g_autoptr(GByteArray) payload = payload_of(type);
        g_autoptr(GByteArray) one = g_byte_array_new();
        append_frame(one, type, payload);
        append_frame(all, type, payload);
        save("wire-frame", wire_frame_name(type), one->data, one->len);
    }
    save("wire-frame", "all", all->data, all->len);
    /* More bits than a 32-bit count of bytes can be rounded up from. */
    const WireExtentsBytes many = {.n_extents = UINT32_MAX};
    const WirePresentBytes too_many = {.n_pages = UINT32_MAX};
    save_bits("EXTENTS-without-end", WIRE_FRAME_EXTENTS, &many, sizeof many);
    save_bits("PRESENT-without-end", WIRE_FRAME_PRESENT, &too_many,
              sizeof too_many);
}

static void
save_greetings(void)
{
    WireHello hello = {.version = WIRE_VERSION, .lowest = WIRE_LOWEST_VERSION,
                       .role = WIRE_ROLE_BULK,
                       .index = 3, .session = {1, 2, 3}};
    WireWelcome welcome = {.version = WIRE_VERSION, .status = WIRE_STATUS_BUSY};
    WireHelloBytes hello_bytes;
    WireWelcomeBytes welcome_bytes;
    wire_hello_encode(&hello, &hello_bytes);
    save("wire-hello", "hello", &hello_bytes, sizeof hello_bytes);
    wire_welcome_encode(&welcome, &welcome_bytes);
    save("wire-hello", "welcome", &welcome_bytes, sizeof welcome_bytes);
}

static void
save_pages(void)
{
    WirePage page = {.type = WIRE_PAGE, .block = 1, .page = 513};
    WireExtent extent = {.type = WIRE_EXTENT, .extent = 2, .data = {5},
                         .zero = {10}};
    WireExtent end = {.type = WIRE_END};
    WirePageBytes page_bytes;
    WireExtentBytes extent_bytes;
    wire_page_encode(&page, &page_bytes);
    save("wire-pages", "page", &page_bytes, sizeof page_bytes);
    wire_extent_encode(&extent, &extent_bytes);
    save("wire-pages", "extent", &extent_bytes, sizeof extent_bytes);
    wire_extent_encode(&end, &extent_bytes);
    save("wire-pages", "end", &extent_bytes, sizeof extent_bytes);
}

/* Scripts of fuzz-migrate-fill.c. */
static void
save_streams(void)
{
    /* Data and zeros, the same extent again, a short one, END. */
    static const uint8_t good[] = {0, 0, 0, 15, 1, 70, 40, 0,
                                   0, 0, 2, 8, 5, 0,
                                   1, 0, 0, 5, 0, 0,
                                   0, 2, 0, 9, 0, 0, 0, 0, 254, 0};
    static const uint8_t beyond[] = {1, 0, 0, 6, 0, 0};
    static const uint8_t both[] = {0, 1, 0, 5, 3, 69, 3, 0};
    static const uint8_t cut[] = {0, 0, 0, 5, 9, 0, 0, 0, 1, 12, 8, 0};
    static const uint8_t no_block[] = {2, 0, 0, 5, 0, 0};
    save("migrate-fill", "good", good, sizeof good);
    save("migrate-fill", "beyond-the-end", beyond, sizeof beyond);
    save("migrate-fill", "data-and-zero", both, sizeof both);
    save("migrate-fill", "cut", cut, sizeof cut);
    save("migrate-fill", "no-such-block", no_block, sizeof no_block);
}

int
main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: fuzz-seeds DIRECTORY\n");
        return 2;
    }
    root = argv[1];
    save_frames();
    save_greetings();
    save_pages();
    save_streams();
    return 0;
}
