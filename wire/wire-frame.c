/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bytes to message and back: see wire-frame.h.
 */
#include "wire/wire-frame.h"

#include <string.h>

#include "base/error.h"

static const char *const role_names[] = {
    [WIRE_ROLE_CONTROL] = "control",
    [WIRE_ROLE_DEVICE] = "device",
    [WIRE_ROLE_URGENT] = "urgent",
    [WIRE_ROLE_BULK] = "bulk",
};
G_STATIC_ASSERT(G_N_ELEMENTS(role_names) == WIRE_ROLE_BULK + 1);

static const char *const status_names[] = {
    [WIRE_STATUS_OK] = "ok",
    [WIRE_STATUS_VERSION] = "no protocol version in common",
    [WIRE_STATUS_BUSY] = "busy with another destination",
    [WIRE_STATUS_SESSION] = "not this migration's session",
    [WIRE_STATUS_ROLE] = "no such connection expected",
    [WIRE_STATUS_TLS] = "TLS on one side only",
};
G_STATIC_ASSERT(G_N_ELEMENTS(status_names) == WIRE_STATUS_TLS + 1);

static const char *const frame_names[] = {
    [WIRE_FRAME_LAYOUT] = "LAYOUT",
    [WIRE_FRAME_ACCEPT] = "ACCEPT",
    [WIRE_FRAME_EXTENTS] = "EXTENTS",
    [WIRE_FRAME_ARMED] = "ARMED",
    [WIRE_FRAME_SWITCHOVER] = "SWITCHOVER",
    [WIRE_FRAME_READY] = "READY",
    [WIRE_FRAME_STOPPED] = "STOPPED",
    [WIRE_FRAME_RUN] = "RUN",
    [WIRE_FRAME_RUNNING] = "RUNNING",
    [WIRE_FRAME_PROGRESS] = "PROGRESS",
    [WIRE_FRAME_DONE] = "DONE",
    [WIRE_FRAME_BYE] = "BYE",
    [WIRE_FRAME_ABORT] = "ABORT",
    [WIRE_FRAME_RECONNECT] = "RECONNECT",
    [WIRE_FRAME_PRESENT] = "PRESENT",
    [WIRE_FRAME_ALIVE] = "ALIVE",
    [WIRE_FRAME_ENDED] = "ENDED",
    [WIRE_FRAME_SOURCE_RUNS] = "SOURCE_RUNS",
};
G_STATIC_ASSERT(G_N_ELEMENTS(frame_names) == WIRE_FRAME_LAST + 1);

static const char *const ended_names[] = {
    [WIRE_ENDED_SHUT_DOWN] = "shut down",
    [WIRE_ENDED_STOPPED] = "stopped",
    [WIRE_ENDED_CRASHED] = "crashed",
};
G_STATIC_ASSERT(G_N_ELEMENTS(ended_names) == WIRE_ENDED_LAST + 1);

const char *
wire_role_name(WireRole role)
{
    return role >= 1 && role <= WIRE_ROLE_BULK ? role_names[role] : "unknown";
}

const char *
wire_status_name(WireStatus status)
{
    return status <= WIRE_STATUS_TLS ? status_names[status] : "unknown";
}

const char *
wire_frame_name(unsigned type)
{
    return type >= 1 && type <= WIRE_FRAME_LAST ? frame_names[type] : "unknown";
}

const char *
wire_ended_name(unsigned code)
{
    return code >= 1 && code <= WIRE_ENDED_LAST ? ended_names[code] : "unknown";
}

void
wire_hello_encode(const WireHello *hello, WireHelloBytes *out)
{
    *out = (WireHelloBytes){
        .version = GUINT16_TO_LE(hello->version),
        .lowest = GUINT16_TO_LE(hello->lowest),
        .role = (uint8_t)hello->role,
        .index = hello->index,
    };
    memcpy(out->magic, WIRE_MAGIC, WIRE_MAGIC_BYTES);
    memcpy(out->session, hello->session, WIRE_SESSION_BYTES);
}

bool
wire_hello_decode(const WireHelloBytes *in, WireHello *hello, GError **error)
{
    if (memcmp(in->magic, WIRE_MAGIC, WIRE_MAGIC_BYTES) != 0) {
        return error_set(error, ERROR_PROTOCOL,
                         "it does not speak postlude's protocol");
    }
    *hello = (WireHello){
        .version = GUINT16_FROM_LE(in->version),
        .lowest = GUINT16_FROM_LE(in->lowest),
        .role = (WireRole)in->role,
        .index = in->index,
    };
    memcpy(hello->session, in->session, WIRE_SESSION_BYTES);
    if (hello->lowest > hello->version) {
        return error_set(error, ERROR_PROTOCOL,
                         "it claims versions %u to %u of the protocol",
                         hello->lowest, hello->version);
    }
    return true;
}

uint16_t
wire_hello_common_version(const WireHello *hello)
{
    uint16_t highest = MIN(hello->version, WIRE_VERSION);
    return highest >= hello->lowest && highest >= WIRE_LOWEST_VERSION ? highest
                                                                      : 0;
}

void
wire_welcome_encode(const WireWelcome *welcome, WireWelcomeBytes *out)
{
    *out = (WireWelcomeBytes){
        .version = GUINT16_TO_LE(welcome->version),
        .status = GUINT16_TO_LE((uint16_t)welcome->status),
    };
    memcpy(out->magic, WIRE_MAGIC, WIRE_MAGIC_BYTES);
    memcpy(out->session, welcome->session, WIRE_SESSION_BYTES);
}

bool
wire_welcome_decode(const WireWelcomeBytes *in, WireWelcome *welcome,
                    GError **error)
{
    if (memcmp(in->magic, WIRE_MAGIC, WIRE_MAGIC_BYTES) != 0) {
        return error_set(error, ERROR_PROTOCOL,
                         "what listens there does not speak postlude's "
                         "protocol; is it the address of 'postlude send'?");
    }
    *welcome = (WireWelcome){
        .version = GUINT16_FROM_LE(in->version),
        .status = (WireStatus)GUINT16_FROM_LE(in->status),
    };
    memcpy(welcome->session, in->session, WIRE_SESSION_BYTES);
    if (welcome->status == WIRE_STATUS_OK &&
        (welcome->version < WIRE_LOWEST_VERSION ||
         welcome->version > WIRE_VERSION)) {
        return error_set(error, ERROR_PROTOCOL,
                         "the source chose protocol version %u, we speak %u "
                         "to %u; install the same postlude on both hosts",
                         welcome->version, WIRE_LOWEST_VERSION, WIRE_VERSION);
    }
    return true;
}

void
wire_frame_header_encode(unsigned type, size_t length, WireFrameHeader *out)
{
    *out = (WireFrameHeader){
        .type = GUINT16_TO_LE((uint16_t)type),
        .length = GUINT32_TO_LE((uint32_t)length),
    };
}

bool
wire_frame_header_decode(const WireFrameHeader *in, unsigned *type,
                         size_t *length, GError **error)
{
    *type = GUINT16_FROM_LE(in->type);
    *length = GUINT32_FROM_LE(in->length);
    if (*type < 1 || *type > WIRE_FRAME_LAST || in->reserved != 0) {
        return error_set(error, ERROR_PROTOCOL,
                         "the peer sent a frame of unknown type %u", *type);
    }
    if (*length > WIRE_MAX_FRAME_BYTES) {
        return error_set(error, ERROR_PROTOCOL,
                         "the peer announced a %s frame of %zu bytes, more "
                         "than the %u allowed",
                         wire_frame_name(*type), *length,
                         WIRE_MAX_FRAME_BYTES);
    }
    return true;
}

/* Every fixed payload is checked here: exact length or PROTOCOL. */
static bool
check_length(const GByteArray *in, size_t expected, const char *what,
             GError **error)
{
    if (in->len != expected) {
        return error_set(error, ERROR_PROTOCOL,
                         "the peer's %s frame has %u bytes instead of %zu",
                         what, in->len, expected);
    }
    return true;
}

void
wire_layout_clear(WireLayout *layout)
{
    g_clear_pointer(&layout->blocks, g_free);
    layout->n_blocks = 0;
}

/* Cut where a character ends: half of one would not be text to the peer. */
static void
copy_text(char *to, const char *from, size_t room)
{
    const char *end;
    g_strlcpy(to, from, room);
    if (!g_utf8_validate(to, -1, &end)) {
        memset(to + (end - to), 0, room - (size_t)(end - to));
    }
}

void
wire_layout_encode(const WireLayout *layout, GByteArray *out)
{
    WireLayoutBytes head = {
        .page_bytes = GUINT32_TO_LE(layout->page_bytes),
        .n_blocks = GUINT16_TO_LE((uint16_t)layout->n_blocks),
        .streams = GUINT16_TO_LE(layout->streams),
    };
    memcpy(head.uuid, layout->uuid, sizeof head.uuid);
    copy_text(head.name, layout->name, sizeof head.name);
    g_byte_array_append(out, (const uint8_t *)&head, sizeof head);
    for (unsigned i = 0; i < layout->n_blocks; i++) {
        WireLayoutBlockBytes block = {
            .bytes = GUINT64_TO_LE(layout->blocks[i].bytes)};
        copy_text(block.name, layout->blocks[i].name, sizeof block.name);
        g_byte_array_append(out, (const uint8_t *)&block, sizeof block);
    }
}

/* Names end up on an operator's terminal too. */
static bool
is_printable(const char *text)
{
    for (; *text; text = g_utf8_next_char(text)) {
        if (g_unichar_iscntrl(g_utf8_get_char(text))) {
            return false;
        }
    }
    return true;
}

static bool
is_terminated_text(const char *text, size_t room)
{
    return memchr(text, '\0', room) && g_utf8_validate(text, -1, NULL) &&
           is_printable(text);
}

bool
wire_layout_decode(const GByteArray *in, WireLayout *layout, GError **error)
{
    WireLayoutBytes head;
    if (in->len < sizeof head) {
        return error_set(error, ERROR_PROTOCOL,
                         "the peer's LAYOUT frame is only %u bytes", in->len);
    }
    memcpy(&head, in->data, sizeof head);
    unsigned n = GUINT16_FROM_LE(head.n_blocks);
    if (n == 0 || n > WIRE_MAX_BLOCKS) {
        return error_set(error, ERROR_PROTOCOL,
                         "the peer announced %u RAM blocks (1 to %u allowed)",
                         n, WIRE_MAX_BLOCKS);
    }
    if (!check_length(in, sizeof head + n * sizeof(WireLayoutBlockBytes),
                      "LAYOUT", error)) {
        return false;
    }
    if (!is_terminated_text(head.name, sizeof head.name)) {
        return error_set(error, ERROR_PROTOCOL,
                         "the peer's VM name is not text");
    }
    WireLayout made = {
        .page_bytes = GUINT32_FROM_LE(head.page_bytes),
        .streams = GUINT16_FROM_LE(head.streams),
        .n_blocks = n,
    };
    memcpy(made.uuid, head.uuid, sizeof made.uuid);
    g_strlcpy(made.name, head.name, sizeof made.name);
    made.blocks = g_new0(WireLayoutBlock, n);
    for (unsigned i = 0; i < n; i++) {
        WireLayoutBlockBytes block;
        memcpy(&block, in->data + sizeof head + i * sizeof block,
               sizeof block);
        if (!is_terminated_text(block.name, sizeof block.name)) {
            wire_layout_clear(&made);
            return error_set(error, ERROR_PROTOCOL,
                             "the name of the peer's RAM block %u is not text",
                             i);
        }
        made.blocks[i].bytes = GUINT64_FROM_LE(block.bytes);
        g_strlcpy(made.blocks[i].name, block.name,
                  sizeof made.blocks[i].name);
    }
    *layout = made;
    return true;
}

void
wire_accept_encode(unsigned streams, GByteArray *out)
{
    WireAcceptBytes bytes = {.streams = GUINT16_TO_LE((uint16_t)streams)};
    g_byte_array_append(out, (const uint8_t *)&bytes, sizeof bytes);
}

bool
wire_accept_decode(const GByteArray *in, unsigned *streams, GError **error)
{
    WireAcceptBytes bytes;
    if (!check_length(in, sizeof bytes, "ACCEPT", error)) {
        return false;
    }
    memcpy(&bytes, in->data, sizeof bytes);
    unsigned wanted = GUINT16_FROM_LE(bytes.streams);
    if (wanted == 0 || wanted > WIRE_MAX_STREAMS) {
        return error_set(error, ERROR_PROTOCOL,
                         "the source wants %u bulk connections (1 to %u "
                         "allowed)",
                         wanted, WIRE_MAX_STREAMS);
    }
    *streams = wanted; /* only now: the caller counts its links by it */
    return true;
}

void
wire_extents_encode(const WireExtents *extents, GByteArray *out)
{
    WireExtentsBytes head = {
        .block = GUINT16_TO_LE((uint16_t)extents->block),
        .flags = GUINT16_TO_LE((uint16_t)extents->flags),
        .first_extent = GUINT32_TO_LE(extents->first_extent),
        .n_extents = GUINT32_TO_LE(extents->n_extents),
    };
    g_byte_array_append(out, (const uint8_t *)&head, sizeof head);
    g_byte_array_append(out, extents->bitmap, (extents->n_extents + 7) / 8);
}

bool
wire_extents_decode(const GByteArray *in, WireExtents *extents, GError **error)
{
    WireExtentsBytes head;
    if (in->len < sizeof head) {
        return error_set(error, ERROR_PROTOCOL,
                         "the peer's EXTENTS frame is only %u bytes", in->len);
    }
    memcpy(&head, in->data, sizeof head);
    *extents = (WireExtents){
        .block = GUINT16_FROM_LE(head.block),
        .flags = GUINT16_FROM_LE(head.flags),
        .first_extent = GUINT32_FROM_LE(head.first_extent),
        .n_extents = GUINT32_FROM_LE(head.n_extents),
        .bitmap = in->data + sizeof head,
    };
    uint64_t bitmap_bytes = ((uint64_t)extents->n_extents + 7) / 8;
    return check_length(in, sizeof head + bitmap_bytes, "EXTENTS", error);
}

void
wire_run_encode(bool start_guest, GByteArray *out)
{
    WireRunBytes bytes = {.start_guest = start_guest};
    g_byte_array_append(out, (const uint8_t *)&bytes, sizeof bytes);
}

bool
wire_run_decode(const GByteArray *in, bool *start_guest, GError **error)
{
    WireRunBytes bytes;
    if (!check_length(in, sizeof bytes, "RUN", error)) {
        return false;
    }
    memcpy(&bytes, in->data, sizeof bytes);
    *start_guest = bytes.start_guest != 0;
    return true;
}

void
wire_progress_encode(uint64_t present, uint64_t demand, GByteArray *out)
{
    WireProgressBytes bytes = {.present_pages = GUINT64_TO_LE(present),
                               .demand_pages = GUINT64_TO_LE(demand)};
    g_byte_array_append(out, (const uint8_t *)&bytes, sizeof bytes);
}

bool
wire_progress_decode(const GByteArray *in, uint64_t *present, uint64_t *demand,
                     GError **error)
{
    WireProgressBytes bytes;
    if (!check_length(in, sizeof bytes, "PROGRESS", error)) {
        return false;
    }
    memcpy(&bytes, in->data, sizeof bytes);
    *present = GUINT64_FROM_LE(bytes.present_pages);
    *demand = GUINT64_FROM_LE(bytes.demand_pages);
    return true;
}

void
wire_reconnect_encode(unsigned flags, GByteArray *out)
{
    WireReconnectBytes bytes = {.flags = (uint8_t)flags};
    g_byte_array_append(out, (const uint8_t *)&bytes, sizeof bytes);
}

bool
wire_reconnect_decode(const GByteArray *in, unsigned *flags, GError **error)
{
    WireReconnectBytes bytes;
    if (!check_length(in, sizeof bytes, "RECONNECT", error)) {
        return false;
    }
    memcpy(&bytes, in->data, sizeof bytes);
    *flags = bytes.flags;
    return true;
}

void
wire_present_encode(const WirePresent *present, GByteArray *out)
{
    WirePresentBytes head = {
        .block = GUINT16_TO_LE((uint16_t)present->block),
        .flags = GUINT16_TO_LE((uint16_t)present->flags),
        .n_pages = GUINT32_TO_LE(present->n_pages),
        .first_page = GUINT64_TO_LE(present->first_page),
    };
    g_byte_array_append(out, (const uint8_t *)&head, sizeof head);
    if (present->n_pages > 0) {
        g_byte_array_append(out, present->bitmap, (present->n_pages + 7) / 8);
    }
}

bool
wire_present_decode(const GByteArray *in, WirePresent *present, GError **error)
{
    WirePresentBytes head;
    if (in->len < sizeof head) {
        return error_set(error, ERROR_PROTOCOL,
                         "the peer's PRESENT frame is only %u bytes", in->len);
    }
    memcpy(&head, in->data, sizeof head);
    *present = (WirePresent){
        .block = GUINT16_FROM_LE(head.block),
        .flags = GUINT16_FROM_LE(head.flags),
        .first_page = GUINT64_FROM_LE(head.first_page),
        .n_pages = GUINT32_FROM_LE(head.n_pages),
        .bitmap = in->data + sizeof head,
    };
    if (present->first_page % 512 != 0) {
        return error_set(error, ERROR_PROTOCOL,
                         "the peer's PRESENT frame begins inside an extent");
    }
    uint64_t bitmap_bytes = ((uint64_t)present->n_pages + 7) / 8;
    return check_length(in, sizeof head + bitmap_bytes, "PRESENT", error);
}

void
wire_bye_encode(uint64_t downtime_us, GByteArray *out)
{
    WireByeBytes bytes = {.downtime_us = GUINT64_TO_LE(downtime_us)};
    g_byte_array_append(out, (const uint8_t *)&bytes, sizeof bytes);
}

bool
wire_bye_decode(const GByteArray *in, uint64_t *downtime_us, GError **error)
{
    WireByeBytes bytes;
    if (!check_length(in, sizeof bytes, "BYE", error)) {
        return false;
    }
    memcpy(&bytes, in->data, sizeof bytes);
    *downtime_us = GUINT64_FROM_LE(bytes.downtime_us);
    return true;
}

static void
append_reason(const char *reason, GByteArray *out)
{
    size_t length = strnlen(reason, WIRE_MAX_REASON_BYTES);
    g_byte_array_append(out, (const uint8_t *)reason, (guint)length);
}

/* What a stranger sent ends up on an operator's terminal: no control
 * characters, no invalid UTF-8, bounded. It follows a head of HEAD bytes. */
static char *
take_reason(const GByteArray *in, size_t head)
{
    if (in->len <= head) {
        return g_strdup("(no reason given)");
    }
    size_t length = MIN(in->len - head, (size_t)WIRE_MAX_REASON_BYTES);
    char *text = g_utf8_make_valid((const char *)in->data + head,
                                   (gssize)length);
    for (char *at = text; *at; at = g_utf8_next_char(at)) {
        if (g_unichar_iscntrl(g_utf8_get_char(at))) {
            /* U+0080 to U+009F take two bytes; some terminals obey them. */
            memset(at, ' ', (size_t)(g_utf8_next_char(at) - at));
        }
    }
    return text;
}

void
wire_abort_encode(const char *reason, GByteArray *out)
{
    WireAbortBytes head = {0};
    g_byte_array_append(out, (const uint8_t *)&head, sizeof head);
    append_reason(reason, out);
}

char *
wire_abort_decode(const GByteArray *in)
{
    return take_reason(in, sizeof(WireAbortBytes));
}

void
wire_ended_encode(WireEndedCode code, const char *words, GByteArray *out)
{
    WireEndedBytes head = {.code = GUINT16_TO_LE((uint16_t)code)};
    g_byte_array_append(out, (const uint8_t *)&head, sizeof head);
    append_reason(words, out);
}

bool
wire_ended_decode(const GByteArray *in, WireEndedCode *code, char **words,
                  GError **error)
{
    WireEndedBytes head;
    if (in->len < sizeof head) {
        return error_set(error, ERROR_PROTOCOL,
                         "the peer's ENDED frame is only %u bytes", in->len);
    }
    memcpy(&head, in->data, sizeof head);
    unsigned how = GUINT16_FROM_LE(head.code);
    if (how < 1 || how > WIRE_ENDED_LAST) {
        return error_set(error, ERROR_PROTOCOL,
                         "the peer's guest ended in an unknown way (%u)", how);
    }
    *code = (WireEndedCode)how;
    *words = take_reason(in, sizeof head);
    return true;
}

void
wire_page_encode(const WirePage *page, WirePageBytes *out)
{
    *out = (WirePageBytes){
        .type = GUINT16_TO_LE((uint16_t)page->type),
        .block = GUINT16_TO_LE((uint16_t)page->block),
        .page = GUINT64_TO_LE(page->page),
    };
}

void
wire_page_decode(const WirePageBytes *in, WirePage *page)
{
    *page = (WirePage){
        .type = GUINT16_FROM_LE(in->type),
        .block = GUINT16_FROM_LE(in->block),
        .page = GUINT64_FROM_LE(in->page),
    };
}

static void
bitmap_to_bytes(const uint64_t words[8], uint8_t out[WIRE_EXTENT_BITMAP_BYTES])
{
    for (unsigned i = 0; i < 8; i++) {
        uint64_t word = GUINT64_TO_LE(words[i]);
        memcpy(out + i * 8, &word, sizeof word);
    }
}

static void
bitmap_from_bytes(const uint8_t in[WIRE_EXTENT_BITMAP_BYTES],
                  uint64_t words[8])
{
    for (unsigned i = 0; i < 8; i++) {
        uint64_t word;
        memcpy(&word, in + i * 8, sizeof word);
        words[i] = GUINT64_FROM_LE(word);
    }
}

void
wire_extent_encode(const WireExtent *extent, WireExtentBytes *out)
{
    *out = (WireExtentBytes){
        .type = GUINT16_TO_LE((uint16_t)extent->type),
        .block = GUINT16_TO_LE((uint16_t)extent->block),
        .extent = GUINT32_TO_LE(extent->extent),
    };
    bitmap_to_bytes(extent->data, out->data);
    bitmap_to_bytes(extent->zero, out->zero);
}

bool
wire_extent_decode(const WireExtentBytes *in, WireExtent *extent,
                   GError **error)
{
    *extent = (WireExtent){
        .type = GUINT16_FROM_LE(in->type),
        .block = GUINT16_FROM_LE(in->block),
        .extent = GUINT32_FROM_LE(in->extent),
    };
    if (extent->type != WIRE_EXTENT && extent->type != WIRE_END) {
        return error_set(error, ERROR_PROTOCOL,
                         "unknown message %u on a bulk connection",
                         extent->type);
    }
    bitmap_from_bytes(in->data, extent->data);
    bitmap_from_bytes(in->zero, extent->zero);
    for (unsigned i = 0; i < 8; i++) {
        if (extent->data[i] & extent->zero[i]) {
            return error_set(error, ERROR_PROTOCOL,
                             "the peer calls a page of extent %u both data "
                             "and zero",
                             extent->extent);
        }
    }
    return true;
}
