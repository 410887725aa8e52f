/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * THE protocol: what two postlude processes say to each other. Version 2.
 * All integers are little-endian; every length is checked before use; nothing
 * here is an internal number of either side.
 *
 * The destination dials, the source listens. One migration is a control, a
 * device, an urgent and N bulk connections, all to the same address. Each
 * opens with HELLO from the dialler and WELCOME from the listener. The first
 * control connection gets a session (16 random bytes); the others must show
 * it. With TLS all of this, from the first byte of HELLO on, is inside TLS
 * 1.3, on each connection. After WELCOME a connection speaks the language of
 * its role:
 *
 *  control   frames, both ways (WireFrameHeader + payload):
 *
 *      destination                                source
 *      LAYOUT  ------------------------------------>   RAM blocks, identity
 *              <---------------------------  ACCEPT    or ABORT with a reason
 *              <---------------------------  EXTENTS   which hold data (plan)
 *      lays huge folios, attaches, registers
 *      ARMED   ------------------------------------>
 *              <------------------------  SWITCHOVER   migration starts now
 *      READY   ------------------------------------>   QEMU listens
 *                       (device connection carries QEMU's own stream)
 *              <---------------------------  EXTENTS   final, guest stopped
 *              <---------------------------  STOPPED   faults are answered now
 *              <-------------------------------  RUN   source QEMU completed
 *      cont
 *      RUNNING ------------------------------------>   POINT OF NO RETURN
 *      PROGRESS ----------------------------------->   now and then
 *      DONE    ------------------------------------>   every page is present
 *              <-------------------------------  BYE
 *      DONE    ------------------------------------>   BYE was heard
 *
 *      Either side may say ABORT (a reason in words) before RUN. From RUN on
 *      only the destination may, and only instead of RUNNING: it says that
 *      the guest did not start here and never will; the source starts it.
 *      The source answers each PROGRESS with ALIVE, so that both notice a
 *      peer that is gone without a word.
 *
 *      From RUN on the destination may say ENDED: its QEMU has ended, so nobody
 *      needs the rest of the memory. It stands for DONE; BYE is the answer.
 *      From RUN on the source may say SOURCE_RUNS: somebody started the guest
 *      there as well. It is told to people and changes nothing else.
 *
 *  When any of control, urgent and bulk is lost after RUN, both sides close
 *  all of them, and the destination dials anew: a control connection that
 *  shows the session. WELCOME then carries a fresh session, for the others of
 *  this new set of connections, so that none of an older set strays into it.
 *
 *      RECONNECT ---------------------------------->   what it knows already
 *      PRESENT ------------------------------------>   which pages it has
 *              <---------------------------  ACCEPT
 *              <---------------------------  EXTENTS   final
 *              <-------------------------------  RUN
 *      RUNNING ------------------------------------>   unless RECONNECT said so
 *      PROGRESS ...                                    as above
 *
 *      RECONNECT with COMPLETE stands for DONE; BYE is the answer. ENDED may
 * come in the place of RECONNECT, with the same answer.
 *
 *  device    raw bytes of QEMU's migration stream, both ways (return path).
 *  urgent    WireFetch one way, WirePage (+ 4096 bytes if PAGE) the other.
 *  bulk      WireExtent + its pages, source to destination; END is the last.
 */
#pragma once

#include <glib.h>
#include <stdint.h>

#define WIRE_MAGIC "POSTLUDE"
#define WIRE_MAGIC_BYTES 8
#define WIRE_VERSION 2
#define WIRE_LOWEST_VERSION 2

#define WIRE_SESSION_BYTES 16
#define WIRE_MAX_BLOCKS 200
#define WIRE_MAX_STREAMS 64
#define WIRE_MAX_FRAME_BYTES (1u << 20)
#define WIRE_MAX_REASON_BYTES 2048
#define WIRE_BLOCK_NAME_BYTES 256
#define WIRE_VM_NAME_BYTES 128
#define WIRE_EXTENT_BITMAP_BYTES 64 /* 512 pages */

typedef enum {
    WIRE_ROLE_CONTROL = 1,
    WIRE_ROLE_DEVICE = 2,
    WIRE_ROLE_URGENT = 3,
    WIRE_ROLE_BULK = 4,
} WireRole;

/* WELCOME's status: anything but OK is followed by an ABORT frame. */
typedef enum {
    WIRE_STATUS_OK = 0,
    WIRE_STATUS_VERSION = 1, /* no version in common */
    WIRE_STATUS_BUSY = 2,    /* another destination is being served */
    WIRE_STATUS_SESSION = 3, /* the session shown is not this migration's */
    WIRE_STATUS_ROLE = 4,    /* no such role, or not now */
    WIRE_STATUS_TLS = 5,     /* one side speaks TLS, the other plain text */
} WireStatus;

typedef enum {
    WIRE_FRAME_LAYOUT = 1,
    WIRE_FRAME_ACCEPT = 2,
    WIRE_FRAME_EXTENTS = 3,
    WIRE_FRAME_ARMED = 4,
    WIRE_FRAME_SWITCHOVER = 5,
    WIRE_FRAME_READY = 6,
    WIRE_FRAME_STOPPED = 7,
    WIRE_FRAME_RUN = 8,
    WIRE_FRAME_RUNNING = 9,
    WIRE_FRAME_PROGRESS = 10,
    WIRE_FRAME_DONE = 11,
    WIRE_FRAME_BYE = 12,
    WIRE_FRAME_ABORT = 13,
    WIRE_FRAME_RECONNECT = 14,
    WIRE_FRAME_PRESENT = 15,
    WIRE_FRAME_ALIVE = 16,
    WIRE_FRAME_ENDED = 17,
    WIRE_FRAME_SOURCE_RUNS = 18,
} WireFrameType;
#define WIRE_FRAME_LAST WIRE_FRAME_SOURCE_RUNS

typedef struct __attribute__((packed)) {
    uint8_t magic[WIRE_MAGIC_BYTES];
    uint16_t version; /* the dialler's own */
    uint16_t lowest;  /* the oldest it can speak */
    uint8_t role;
    uint8_t index; /* of a bulk connection, else 0 */
    uint16_t reserved;
    uint8_t session[WIRE_SESSION_BYTES]; /* first control: a token, or zeros */
} WireHelloBytes;
G_STATIC_ASSERT(sizeof(WireHelloBytes) == 32);

typedef struct __attribute__((packed)) {
    uint8_t magic[WIRE_MAGIC_BYTES];
    uint16_t version; /* the one that will be spoken, or the listener's own */
    uint16_t status;
    uint32_t reserved;
    uint8_t session[WIRE_SESSION_BYTES];
} WireWelcomeBytes;
G_STATIC_ASSERT(sizeof(WireWelcomeBytes) == 32);

typedef struct __attribute__((packed)) {
    uint16_t type;
    uint16_t reserved;
    uint32_t length; /* of the payload that follows */
} WireFrameHeader;
G_STATIC_ASSERT(sizeof(WireFrameHeader) == 8);

/* LAYOUT: this, then n_blocks WireLayoutBlockBytes. */
typedef struct __attribute__((packed)) {
    uint32_t page_bytes;
    uint16_t n_blocks;
    uint16_t streams; /* bulk connections asked for; 0: the source decides */
    uint8_t uuid[16];
    char name[WIRE_VM_NAME_BYTES]; /* NUL-padded UTF-8 */
} WireLayoutBytes;
G_STATIC_ASSERT(sizeof(WireLayoutBytes) == 152);

typedef struct __attribute__((packed)) {
    uint64_t bytes;
    char name[WIRE_BLOCK_NAME_BYTES]; /* QEMU's name of the block */
} WireLayoutBlockBytes;
G_STATIC_ASSERT(sizeof(WireLayoutBlockBytes) == 264);

typedef struct __attribute__((packed)) {
    uint16_t streams; /* bulk connections to open */
    uint16_t reserved;
} WireAcceptBytes;

/* EXTENTS: this, then a bitmap of n_extents bits, lowest bit first: 1, the
 * extent holds data at the source. FLAG_LAST on the last frame of a series. */
#define WIRE_EXTENTS_FINAL 1u
#define WIRE_EXTENTS_LAST 2u
typedef struct __attribute__((packed)) {
    uint16_t block;
    uint16_t flags;
    uint32_t first_extent;
    uint32_t n_extents;
} WireExtentsBytes;
G_STATIC_ASSERT(sizeof(WireExtentsBytes) == 12);

/* RUN: whether the guest ran on the source and so has to run here. */
typedef struct __attribute__((packed)) {
    uint8_t start_guest;
    uint8_t reserved[3];
} WireRunBytes;

typedef struct __attribute__((packed)) {
    uint64_t present_pages;
    uint64_t demand_pages;
} WireProgressBytes;

/* RECONNECT: STARTED, the guest was started here (or is to stay paused);
 * COMPLETE, every page is here and neither PRESENT nor anything else follows.
 */
#define WIRE_RECONNECT_STARTED 1u
#define WIRE_RECONNECT_COMPLETE 2u
typedef struct __attribute__((packed)) {
    uint8_t flags;
    uint8_t reserved[3];
} WireReconnectBytes;

/* PRESENT: this, then a bitmap of n_pages bits, lowest bit first: 1, the
 * destination has the page. What a series does not mention is absent.
 * first_page is a multiple of 512. FLAG_LAST on the last frame of a series,
 * which may have no pages. */
#define WIRE_PRESENT_LAST 1u
typedef struct __attribute__((packed)) {
    uint16_t block;
    uint16_t flags;
    uint32_t n_pages;
    uint64_t first_page;
} WirePresentBytes;
G_STATIC_ASSERT(sizeof(WirePresentBytes) == 16);

/* BYE: what only the source could measure. */
typedef struct __attribute__((packed)) {
    uint64_t downtime_us;
} WireByeBytes;

/* ABORT: one WireStatus-like number for machines, then the reason. */
typedef struct __attribute__((packed)) {
    uint16_t code;
    uint16_t reserved;
} WireAbortBytes;

/* How the destination's QEMU ended. */
typedef enum {
    WIRE_ENDED_SHUT_DOWN = 1, /* by the guest: powered off, or reset for good */
    WIRE_ENDED_STOPPED = 2,   /* by an operator: told to quit, or a signal */
    WIRE_ENDED_CRASHED = 3,   /* panicked, was killed, or gone without a word */
} WireEndedCode;
#define WIRE_ENDED_LAST WIRE_ENDED_CRASHED

/* ENDED: a WireEndedCode, then words for people, as ABORT's reason. */
typedef struct __attribute__((packed)) {
    uint16_t code;
    uint16_t reserved;
} WireEndedBytes;
G_STATIC_ASSERT(sizeof(WireEndedBytes) == 4);

/* urgent, destination to source: 16 bytes. */
typedef struct __attribute__((packed)) {
    uint16_t type; /* WIRE_FETCH */
    uint16_t block;
    uint32_t reserved;
    uint64_t page;
} WireFetchBytes;
G_STATIC_ASSERT(sizeof(WireFetchBytes) == 16);

#define WIRE_FETCH 1u
#define WIRE_PAGE 2u /* 4096 bytes follow */
#define WIRE_ZERO 3u /* the page is all zeros; nothing follows */

/* urgent, source to destination: 16 bytes, the same shape. */
typedef WireFetchBytes WirePageBytes;

#define WIRE_EXTENT 4u
#define WIRE_END 5u

/* bulk: the pages whose bit is set in DATA follow in ascending order; those in
 * ZERO are known to be zero. A page in neither was sent on the urgent
 * connection (or lies behind the end of the block). */
typedef struct __attribute__((packed)) {
    uint16_t type; /* WIRE_EXTENT or WIRE_END */
    uint16_t block;
    uint32_t extent;
    uint8_t data[WIRE_EXTENT_BITMAP_BYTES];
    uint8_t zero[WIRE_EXTENT_BITMAP_BYTES];
} WireExtentBytes;
G_STATIC_ASSERT(sizeof(WireExtentBytes) == 136);
