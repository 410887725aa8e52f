/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Bytes to message and back. Pure: no descriptor, no allocation but for
 * layouts; everything that comes from outside passes here, so it is fuzzed.
 * All decoders fail with PROTOCOL and say what was wrong.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "wire/wire-proto.h"

typedef struct {
    uint16_t version;
    uint16_t lowest;
    WireRole role;
    uint8_t index;
    uint8_t session[WIRE_SESSION_BYTES];
} WireHello;

typedef struct {
    uint16_t version;
    WireStatus status;
    uint8_t session[WIRE_SESSION_BYTES];
} WireWelcome;

typedef struct {
    uint64_t bytes;
    char name[WIRE_BLOCK_NAME_BYTES]; /* NUL-terminated */
} WireLayoutBlock;

typedef struct {
    uint32_t page_bytes;
    uint16_t streams;
    uint8_t uuid[16];
    char name[WIRE_VM_NAME_BYTES]; /* NUL-terminated */
    unsigned n_blocks;
    WireLayoutBlock *blocks; /* owned */
} WireLayout;

void wire_layout_clear(WireLayout *layout);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(WireLayout, wire_layout_clear)

/* A stretch of one block's extent bitmap; BITMAP points into the payload. */
typedef struct {
    unsigned block;
    unsigned flags;
    uint32_t first_extent;
    uint32_t n_extents;
    const uint8_t *bitmap;
} WireExtents;

/* A stretch of one block's page bitmap; BITMAP points into the payload. */
typedef struct {
    unsigned block;
    unsigned flags;
    uint64_t first_page;
    uint32_t n_pages;
    const uint8_t *bitmap;
} WirePresent;

typedef struct {
    unsigned type; /* WIRE_FETCH, WIRE_PAGE, WIRE_ZERO */
    unsigned block;
    uint64_t page;
} WirePage;

typedef struct {
    unsigned type; /* WIRE_EXTENT, WIRE_END */
    unsigned block;
    uint32_t extent;
    uint64_t data[8]; /* bit i of word i / 64: page i of the extent */
    uint64_t zero[8];
} WireExtent;

const char *wire_role_name(WireRole role);
const char *wire_status_name(WireStatus status);
const char *wire_frame_name(unsigned type);
const char *wire_ended_name(unsigned code);

void wire_hello_encode(const WireHello *hello, WireHelloBytes *out);
bool wire_hello_decode(const WireHelloBytes *in, WireHello *hello,
                       GError **error);

/* The version both sides can speak, or 0. */
uint16_t wire_hello_common_version(const WireHello *hello);

void wire_welcome_encode(const WireWelcome *welcome, WireWelcomeBytes *out);
bool wire_welcome_decode(const WireWelcomeBytes *in, WireWelcome *welcome,
                         GError **error);

void wire_frame_header_encode(unsigned type, size_t length,
                              WireFrameHeader *out);
bool wire_frame_header_decode(const WireFrameHeader *in, unsigned *type,
                              size_t *length, GError **error);

/* Payloads of frames. Encoders append to OUT. */
void wire_layout_encode(const WireLayout *layout, GByteArray *out);
bool wire_layout_decode(const GByteArray *in, WireLayout *layout,
                        GError **error);
void wire_accept_encode(unsigned streams, GByteArray *out);
bool wire_accept_decode(const GByteArray *in, unsigned *streams,
                        GError **error);
void wire_extents_encode(const WireExtents *extents, GByteArray *out);
bool wire_extents_decode(const GByteArray *in, WireExtents *extents,
                         GError **error);
void wire_run_encode(bool start_guest, GByteArray *out);
bool wire_run_decode(const GByteArray *in, bool *start_guest, GError **error);
void wire_progress_encode(uint64_t present, uint64_t demand, GByteArray *out);
bool wire_progress_decode(const GByteArray *in, uint64_t *present,
                          uint64_t *demand, GError **error);
void wire_reconnect_encode(unsigned flags, GByteArray *out);
bool wire_reconnect_decode(const GByteArray *in, unsigned *flags,
                           GError **error);
void wire_present_encode(const WirePresent *present, GByteArray *out);
/* Rejects a first page that does not begin an extent. */
bool wire_present_decode(const GByteArray *in, WirePresent *present,
                         GError **error);
void wire_bye_encode(uint64_t downtime_us, GByteArray *out);
bool wire_bye_decode(const GByteArray *in, uint64_t *downtime_us,
                     GError **error);
void wire_abort_encode(const char *reason, GByteArray *out);
/* The reason as printable UTF-8, owned by the caller; never fails. */
char *wire_abort_decode(const GByteArray *in);
void wire_ended_encode(WireEndedCode code, const char *words, GByteArray *out);
/* Rejects an unknown code. *WORDS as wire_abort_decode() returns them. */
bool wire_ended_decode(const GByteArray *in, WireEndedCode *code, char **words,
                       GError **error);

void wire_page_encode(const WirePage *page, WirePageBytes *out);
void wire_page_decode(const WirePageBytes *in, WirePage *page);
void wire_extent_encode(const WireExtent *extent, WireExtentBytes *out);
/* Rejects a page that is in both bitmaps and an unknown type. */
bool wire_extent_decode(const WireExtentBytes *in, WireExtent *extent,
                        GError **error);
