/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A bulk connection from a hostile source, received by the thread that does it
 * in earnest into RAM of two blocks. The input is a script (read_script), so
 * that most of what is sent is nearly right; a model says what must have
 * become of each page. Every page starts with bytes that are not its data:
 * what the model calls absent or duplicate must not have been written.
 */
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/fd.h"
#include "base/range.h"
#include "migrate/pages/migrate-fill.h"
#include "tests/fuzz/fuzz-check.h"

#define BLOCKS 2u
#define EXTENTS 3u /* of block 0; block 1 has one short one */
#define SHORT_PAGES 5u
#define MOST_PAGES 48u /* in one stream: its bytes must fit the socket */
#define STALE 0xee

typedef struct {
    bool present;
    uint8_t byte; /* all bytes of the page */
} Page;

typedef struct {
    const uint8_t *at, *end;
    GByteArray *stream;
    Page model[BLOCKS][EXTENTS * 512];
    unsigned pages;
    bool broken; /* refused or cut: nothing after this is read */
    bool ended;  /* END, and nothing refused */
} Script;

static MigrateRam *ram;

static MigrateRam *
make_ram(void)
{
    MigrateRam *made = g_new0(MigrateRam, 1);
    made->n_blocks = BLOCKS;
    made->blocks = g_new0(MigrateBlock, BLOCKS);
    for (unsigned i = 0; i < BLOCKS; i++) {
        MigrateBlock *block = &made->blocks[i];
        block->name = g_strdup_printf("ram%u", i);
        block->pages = i == 0 ? 2 * PAGES_PER_EXTENT + 9 : SHORT_PAGES;
        block->bytes = block->pages * PAGE_BYTES;
        block->extents = (uint32_t)range_units(block->bytes, EXTENT_BYTES);
        block->file = memfd_create("fuzz", MFD_CLOEXEC);
        g_assert_no_errno(ftruncate(block->file, (off_t)block->bytes));
        made->pages += block->pages;
        made->bytes += block->bytes;
        made->extents += block->extents;
    }
    g_assert_true(migrate_ram_map(made, true, NULL));
    return made;
}

static unsigned
next(Script *s)
{
    return s->at < s->end ? *s->at++ : 0;
}

/* What a receiver must make of one page that was said to be KIND. */
static void
model_page(Script *s, unsigned block, uint64_t page, bool zero, uint8_t byte)
{
    Page *p = &s->model[block][page];
    if (!p->present) {
        *p = (Page){.present = true, .byte = zero ? STALE : byte};
    }
}

static bool
is_sane(const WireExtent *head)
{
    if (head->block >= BLOCKS ||
        head->extent >= ram->blocks[head->block].extents) {
        return false;
    }
    unsigned n = migrate_ram_extent_pages(&ram->blocks[head->block],
                                          head->extent);
    for (unsigned i = 0; i < PAGES_PER_EXTENT; i++) {
        bool data = bits_get(head->data, i), zero = bits_get(head->zero, i);
        if ((data && zero) || (i >= n && (data || zero))) {
            return false;
        }
    }
    return true;
}

/* The bytes of HEAD's pages, perhaps cut short in the last of them. */
static void
send_pages(Script *s, const WireExtent *head, bool cut)
{
    uint64_t first = (uint64_t)head->extent * PAGES_PER_EXTENT;
    unsigned left = bits_count(head->data, 8);
    /* Zeros come before data at the receiver. */
    for (unsigned i = 0; i < PAGES_PER_EXTENT; i++) {
        if (bits_get(head->zero, i)) {
            model_page(s, head->block, first + i, true, 0);
        }
    }
    for (unsigned i = 0; i < PAGES_PER_EXTENT && !s->broken; i++) {
        if (!bits_get(head->data, i)) {
            continue;
        }
        uint8_t bytes[PAGE_BYTES];
        uint8_t byte = (uint8_t)(s->pages * 7 + 1);
        memset(bytes, byte, sizeof bytes);
        s->broken = cut && --left == 0;
        g_byte_array_append(s->stream, bytes,
                            s->broken ? 1000 : sizeof bytes);
        s->pages++;
        if (!s->broken) {
            model_page(s, head->block, first + i, false, byte);
        }
    }
}

/* Runs of (length and kind, start) until one of length 0. */
static void
read_runs(Script *s, WireExtent *head)
{
    unsigned room = MOST_PAGES - s->pages;
    for (unsigned run = next(s); run % 16; run = next(s)) {
        unsigned start = next(s) * 2 + (run >> 7);
        for (unsigned i = start; i < start + run % 16 && i < 512; i++) {
            if (run & 64) {
                bits_set(head->zero, i);
            } else if (!bits_get(head->data, i) && room > 0) {
                room--;
                bits_set(head->data, i);
            }
        }
    }
}

/* One message: block, extent, flags, runs. */
static void
read_message(Script *s)
{
    WireExtentBytes bytes;
    WireExtent head = {.type = WIRE_EXTENT, .block = next(s) % (BLOCKS + 1)};
    head.extent = next(s) % (EXTENTS + 1);
    unsigned flags = next(s);
    read_runs(s, &head);
    head.type = flags == 255 ? 77 : flags == 254 ? WIRE_END : WIRE_EXTENT;
    wire_extent_encode(&head, &bytes);
    g_byte_array_append(s->stream, (const uint8_t *)&bytes,
                        flags == 253 ? 100 : sizeof bytes);
    s->ended = head.type == WIRE_END && wire_extent_decode(&bytes, &head, NULL);
    s->broken = !s->ended && (head.type != WIRE_EXTENT || flags == 253 ||
                              !is_sane(&head));
    if (!s->broken && !s->ended) {
        send_pages(s, &head, flags & 1);
    }
}

static bool
is_filled(const uint8_t *bytes, uint8_t byte)
{
    return bytes[0] == byte && memcmp(bytes, bytes + 1, PAGE_BYTES - 1) == 0;
}

/* Where the stream broke, a piece that was already claimed goes back, however
 * much of it has arrived; so there the model only bounds what is PRESENT. */
static void
check_page(const Script *s, unsigned block, uint64_t page, unsigned state)
{
    const Page *m = &s->model[block][page];
    uint8_t *bytes = ram->blocks[block].view + page * PAGE_BYTES;
    g_assert_true(state == PAGE_ABSENT || state == PAGE_PRESENT);
    if (state == PAGE_PRESENT) {
        g_assert_true(m->present);
        g_assert_true(is_filled(bytes, m->byte));
    } else if (!s->broken) {
        g_assert_false(m->present);
        g_assert_true(bytes[0] == STALE && bytes[PAGE_BYTES - 1] == STALE);
    }
    if (bytes[0] != STALE) {
        memset(bytes, STALE, PAGE_BYTES);
    }
}

static void
check(const Script *s, MigratePages *pages)
{
    uint64_t present = 0;
    for (unsigned b = 0; b < BLOCKS; b++) {
        PageState *states = migrate_pages_states(pages, b);
        for (uint64_t page = 0; page < ram->blocks[b].pages; page++) {
            unsigned state = page_state_get(&states[page]);
            present += state == PAGE_PRESENT;
            check_page(s, b, page, state);
        }
    }
    g_assert_cmpuint(present, ==, migrate_pages_present(pages));
}

/* The stream ends with END, and that was taken from the socket. */
static bool
is_read(const WireLink *link, const Script *s)
{
    int left = 0;
    return s->ended && ioctl(wire_link_fd(link), FIONREAD, &left) == 0 &&
           left == 0;
}

static void
send_all(const Script *s, MigratePages *pages, MigrateAlarm *alarm)
{
    int fds[2], room = 1 << 20;
    GError *why = NULL;
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM, 0, fds));
    autofd peer = fds[0];
    setsockopt(peer, SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
    g_autoptr(WireLink) link = wire_link_new(fds[1]);
    g_assert_true(fd_write_all(peer, s->stream->data, s->stream->len,
                               fd_deadline_ns(5000), NULL));
    fd_clear(&peer);
    MigrateFill *fill = migrate_fill_start(link, pages, alarm);
    /* Every stream that does not say END ends with a complaint. */
    bool ok = true;
    while ((ok = migrate_alarm_take(alarm, &why)) && !is_read(link, s)) {
        sched_yield();
    }
    migrate_fill_stop(fill, NULL);
    ok = ok && migrate_alarm_take(alarm, &why);
    g_assert_cmpint(ok, ==, s->ended);
    fuzz_end(ok, why, FUZZ_MAY(ERROR_PROTOCOL) | FUZZ_MAY(ERROR_PEER_GONE));
}

static void
start(void)
{
    ram = make_ram();
    for (unsigned b = 0; b < BLOCKS; b++) {
        memset(ram->blocks[b].view, STALE, ram->blocks[b].bytes);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static Script s;
    if (!ram) {
        start();
    }
    g_autoptr(GByteArray) stream = g_byte_array_new();
    s = (Script){.at = data, .end = data + size, .stream = stream};
    uint8_t *laid[BLOCKS];
    for (unsigned b = 0; b < BLOCKS; b++) {
        laid[b] = g_malloc(ram->blocks[b].extents);
        memset(laid[b], 1, ram->blocks[b].extents);
    }
    while (s.at < s.end && s.pages < MOST_PAGES && !s.broken && !s.ended) {
        read_message(&s);
    }
    MigrateAlarm alarm;
    migrate_alarm_init(&alarm, NULL);
    g_autoptr(MigratePages) pages =
        migrate_pages_new(ram, laid, -1, &alarm, NULL);
    g_assert_nonnull(pages);
    send_all(&s, pages, &alarm);
    check(&s, pages);
    migrate_alarm_clear(&alarm);
    return 0;
}
