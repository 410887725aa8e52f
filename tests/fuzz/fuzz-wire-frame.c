/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The control connection: the input is what a peer sends, frame by frame, read
 * as both sides read it. What is accepted is within limits and says the same
 * when it is encoded and decoded again.
 */
#include <string.h>
#include <sys/socket.h>

#include "base/fd.h"
#include "tests/fuzz/fuzz-check.h"
#include "wire/wire-link.h"

#define PROTOCOL FUZZ_MAY(ERROR_PROTOCOL)

static void
assert_same_layout(const WireLayout *a, const WireLayout *b)
{
    g_assert_cmpuint(a->page_bytes, ==, b->page_bytes);
    g_assert_cmpuint(a->streams, ==, b->streams);
    g_assert_cmpmem(a->uuid, sizeof a->uuid, b->uuid, sizeof b->uuid);
    g_assert_cmpstr(a->name, ==, b->name);
    g_assert_cmpuint(a->n_blocks, ==, b->n_blocks);
    for (unsigned i = 0; i < a->n_blocks; i++) {
        g_assert_cmpuint(a->blocks[i].bytes, ==, b->blocks[i].bytes);
        g_assert_cmpstr(a->blocks[i].name, ==, b->blocks[i].name);
    }
}

static void
take_layout(const GByteArray *in)
{
    g_auto(WireLayout) layout = {0}, copy = {0};
    g_autoptr(GByteArray) again = g_byte_array_new();
    GError *error = NULL;
    bool ok = wire_layout_decode(in, &layout, &error);
    if (ok) {
        g_assert_cmpuint(layout.n_blocks, >=, 1);
        g_assert_cmpuint(layout.n_blocks, <=, WIRE_MAX_BLOCKS);
        g_assert_true(fuzz_is_printable(layout.name));
        wire_layout_encode(&layout, again);
        g_assert_cmpuint(again->len, ==, in->len);
        g_assert_true(wire_layout_decode(again, &copy, NULL));
        assert_same_layout(&layout, &copy);
    } else {
        g_assert_null(layout.blocks);
    }
    fuzz_end(ok, error, PROTOCOL);
}

/* Every bit that is announced can be read. */
static void
assert_bitmap(const GByteArray *in, const uint8_t *bitmap, uint32_t n_bits)
{
    size_t head = (size_t)(bitmap - in->data);
    g_assert_cmpuint(head, <=, in->len);
    g_assert_cmpuint(((uint64_t)n_bits + 7) / 8, ==, in->len - head);
}

static void
take_extents(const GByteArray *in)
{
    WireExtents extents;
    GError *error = NULL;
    bool ok = wire_extents_decode(in, &extents, &error);
    if (ok) {
        g_autoptr(GByteArray) again = g_byte_array_new();
        assert_bitmap(in, extents.bitmap, extents.n_extents);
        wire_extents_encode(&extents, again);
        g_assert_cmpmem(again->data, again->len, in->data, in->len);
    }
    fuzz_end(ok, error, PROTOCOL);
}

static void
take_present(const GByteArray *in)
{
    WirePresent present;
    GError *error = NULL;
    bool ok = wire_present_decode(in, &present, &error);
    if (ok) {
        g_autoptr(GByteArray) again = g_byte_array_new();
        g_assert_cmpuint(present.first_page % 512, ==, 0);
        assert_bitmap(in, present.bitmap, present.n_pages);
        wire_present_encode(&present, again);
        g_assert_cmpmem(again->data, again->len, in->data, in->len);
    }
    fuzz_end(ok, error, PROTOCOL);
}

static void
take_accept(const GByteArray *in)
{
    unsigned streams = 4711;
    GError *error = NULL;
    bool ok = wire_accept_decode(in, &streams, &error);
    g_assert_true(ok ? streams >= 1 && streams <= WIRE_MAX_STREAMS
                     : streams == 4711);
    fuzz_end(ok, error, PROTOCOL);
}

static void
take_numbers(unsigned type, const GByteArray *in)
{
    bool ok, start;
    unsigned flags;
    uint64_t a = 0, b = 0;
    GError *error = NULL;
    g_autoptr(GByteArray) again = g_byte_array_new();
    if (type == WIRE_FRAME_RUN) {
        ok = wire_run_decode(in, &start, &error);
        g_assert_true(!ok || in->len == sizeof(WireRunBytes));
    } else if (type == WIRE_FRAME_RECONNECT) {
        ok = wire_reconnect_decode(in, &flags, &error);
        g_assert_true(!ok || in->len == sizeof(WireReconnectBytes));
    } else if (type == WIRE_FRAME_PROGRESS) {
        ok = wire_progress_decode(in, &a, &b, &error);
        wire_progress_encode(a, b, again);
    } else {
        ok = wire_bye_decode(in, &a, &error);
        wire_bye_encode(a, again);
    }
    if (ok && again->len > 0) {
        g_assert_cmpmem(again->data, again->len, in->data, in->len);
    }
    fuzz_end(ok, error, PROTOCOL);
}

static void
take_abort(const GByteArray *in)
{
    g_autofree char *reason = wire_abort_decode(in);
    g_assert_true(fuzz_is_printable(reason));
    g_assert_cmpuint(strlen(reason), <=, 3 * WIRE_MAX_REASON_BYTES);
    if (*reason && strlen(reason) <= WIRE_MAX_REASON_BYTES) {
        g_autoptr(GByteArray) again = g_byte_array_new();
        wire_abort_encode(reason, again);
        g_autofree char *twice = wire_abort_decode(again);
        g_assert_cmpstr(twice, ==, reason);
    }
}

static void
take_ended(const GByteArray *in)
{
    WireEndedCode code, again;
    g_autofree char *words = NULL, *twice = NULL;
    GError *error = NULL;
    bool ok = wire_ended_decode(in, &code, &words, &error);
    if (ok) {
        g_assert_true(code >= 1 && code <= WIRE_ENDED_LAST);
        g_assert_true(fuzz_is_printable(words));
        g_assert_cmpuint(strlen(words), <=, 3 * WIRE_MAX_REASON_BYTES);
        g_autoptr(GByteArray) bytes = g_byte_array_new();
        wire_ended_encode(code, words, bytes);
        g_assert_true(wire_ended_decode(bytes, &again, &twice, NULL));
        g_assert_cmpint(again, ==, code);
    } else {
        g_assert_null(words);
    }
    fuzz_end(ok, error, PROTOCOL);
}

static void
take(unsigned type, const GByteArray *in)
{
    switch (type) {
    case WIRE_FRAME_LAYOUT: take_layout(in); break;
    case WIRE_FRAME_EXTENTS: take_extents(in); break;
    case WIRE_FRAME_ACCEPT: take_accept(in); break;
    case WIRE_FRAME_PRESENT: take_present(in); break;
    case WIRE_FRAME_RUN:
    case WIRE_FRAME_RECONNECT:
    case WIRE_FRAME_PROGRESS:
    case WIRE_FRAME_BYE: take_numbers(type, in); break;
    case WIRE_FRAME_ABORT: take_abort(in); break;
    case WIRE_FRAME_ENDED: take_ended(in); break;
    default: break; /* no payload is looked at */
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fds[2];
    if (size > 100000) {
        return 0; /* must fit the socket at once */
    }
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    autofd peer = fds[0];
    g_autoptr(WireLink) link = wire_link_new(fds[1]);
    g_assert_true(fd_write_all(peer, data, size, 0, NULL));
    fd_clear(&peer);
    size_t used = 0;
    for (;;) {
        unsigned type;
        g_autoptr(GByteArray) payload = NULL;
        GError *error = NULL;
        if (!wire_link_receive_frame(link, &type, &payload, &error)) {
            fuzz_end(false, error, PROTOCOL | FUZZ_MAY(ERROR_PEER_GONE));
            return 0;
        }
        g_assert_true(type >= 1 && type <= WIRE_FRAME_LAST);
        g_assert_cmpuint(payload->len, <=, WIRE_MAX_FRAME_BYTES);
        used += sizeof(WireFrameHeader);
        g_assert_cmpuint(used + payload->len, <=, size);
        g_assert_cmpmem(payload->data, payload->len, data + used, payload->len);
        GByteArray exact = fuzz_payload(payload->data, payload->len);
        take(type, &exact);
        g_free(exact.data);
        used += payload->len;
    }
}
