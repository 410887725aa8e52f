/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What goes over the connections of a RAM block that is no file: an extent with pages
 * of data, zero pages and holes, and single pages. It must neither need a file nor
 * look at what holds no data.
 */
#include "migrate/ram/migrate-ram-source.h"

#include <string.h>
#include <sys/socket.h>

#include "base/bits.h"
#include "base/error.h"
#include "base/range.h"
#include "migrate/send/migrate-push.h"
#include "migrate/send/migrate-serve.h"
#include "tests/support/fake-ram-source.h"

#define TRIES 10000

enum { DATA, ZERO, HOLE, KINDS };

typedef struct {
    MigrateBlock block;
    MigrateRam ram;
    MigrateAlarm alarm;
    FakeRamSource fake;
    uint8_t held[PAGES_PER_EXTENT];
    MigrateSent *sent;
    MigrateOrder *order;
    WireLink *from, *to;
} Scene;

/* What page I of the block is. */
static unsigned
kind_of(unsigned i)
{
    return i % KINDS;
}

/* The bytes of a hole are not zero here: whoever looks at them is found out. */
static void
fill(Scene *s)
{
    for (unsigned i = 0; i < PAGES_PER_EXTENT; i++) {
        uint8_t byte = kind_of(i) == DATA ? (uint8_t)(1 + i % 200) : 0;
        memset(s->fake.bytes + i * PAGE_BYTES, kind_of(i) == HOLE ? 0xff : byte,
               PAGE_BYTES);
        s->held[i] = kind_of(i) != HOLE;
    }
}

static void
scene_init(Scene *s)
{
    const uint32_t extents = 1;
    int fds[2];
    memset(s, 0, sizeof *s);
    s->block = (MigrateBlock){.name = (char *)"ram",
                              .bytes = EXTENT_BYTES,
                              .pages = PAGES_PER_EXTENT,
                              .extents = 1,
                              .file = -1};
    s->ram = (MigrateRam){&s->block, 1, EXTENT_BYTES, PAGES_PER_EXTENT, 1};
    s->fake.bytes = g_malloc(EXTENT_BYTES);
    s->fake.held = s->held;
    fake_ram_source_init(&s->fake, &s->block);
    fill(s);
    migrate_alarm_init(&s->alarm, NULL);
    s->sent = migrate_sent_new(&s->ram);
    s->order = migrate_order_new(&extents, 1);
    g_assert_no_errno(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    s->from = wire_link_new(fds[0]);
    s->to = wire_link_new(fds[1]);
}

static void
scene_clear(Scene *s)
{
    wire_link_free(s->from);
    wire_link_free(s->to);
    migrate_order_free(s->order);
    migrate_sent_free(s->sent);
    migrate_alarm_clear(&s->alarm);
    g_free(s->fake.bytes);
}

static void
expect_bytes(Scene *s, unsigned page)
{
    uint8_t bytes[PAGE_BYTES];
    g_assert_true(wire_link_read(s->to, bytes, sizeof bytes, NULL));
    g_assert_cmpmem(bytes, PAGE_BYTES, s->fake.bytes + page * PAGE_BYTES,
                    PAGE_BYTES);
}

/* Zero copy asked for, and no file to be had. */
static void
pushed(void)
{
    Scene s;
    g_autoptr(GError) error = NULL;
    WireExtentBytes bytes;
    WireExtent extent;
    scene_init(&s);
    migrate_order_offer(s.order, 0, 0);
    MigratePush *push = migrate_push_start(s.from, &s.ram, s.sent, s.order,
                                           true, &s.alarm);
    g_assert_nonnull(push);
    g_assert_true(wire_link_read(s.to, &bytes, sizeof bytes, &error));
    g_assert_true(wire_extent_decode(&bytes, &extent, &error));
    for (unsigned i = 0; i < PAGES_PER_EXTENT; i++) {
        g_assert_cmpint(bits_get(extent.data, i), ==, kind_of(i) == DATA);
        g_assert_cmpint(bits_get(extent.zero, i), ==, kind_of(i) != DATA);
        if (kind_of(i) == DATA) {
            expect_bytes(&s, i);
        }
    }
    g_assert_true(wire_link_read(s.to, &bytes, sizeof bytes, &error));
    g_assert_true(wire_extent_decode(&bytes, &extent, &error));
    g_assert_cmpint(extent.type, ==, WIRE_END);
    migrate_push_stop(push);
    g_assert_cmpuint(s.fake.forgotten, ==, 1);
    g_assert_cmpuint(s.fake.read, ==, 0);
    scene_clear(&s);
}

static void
ask(Scene *s, unsigned page)
{
    WireFetchBytes bytes;
    wire_page_encode(&(WirePage){.type = WIRE_FETCH, .page = page}, &bytes);
    g_assert_true(wire_link_write(s->to, &bytes, sizeof bytes, NULL));
}

static void
served(void)
{
    Scene s;
    g_autoptr(GError) error = NULL;
    WirePageBytes bytes;
    WirePage page;
    scene_init(&s);
    MigrateServe *serve =
        migrate_serve_start(s.from, &s.ram, s.sent, s.order, &s.alarm);
    g_assert_nonnull(serve);
    for (unsigned i = DATA; i <= ZERO; i++) {
        ask(&s, i);
        g_assert_true(wire_link_read(s.to, &bytes, sizeof bytes, &error));
        wire_page_decode(&bytes, &page);
        g_assert_cmpint(page.type, ==, i == DATA ? WIRE_PAGE : WIRE_ZERO);
        g_assert_cmpuint(page.page, ==, i);
        if (i == DATA) {
            expect_bytes(&s, i);
        }
    }
    g_assert_cmpuint(s.fake.read, ==, 2);

    /* Of one that cannot be read the main thread hears. */
    s.fake.fails = true;
    ask(&s, DATA);
    for (unsigned i = 0; i < TRIES && migrate_alarm_take(&s.alarm, &error);
         i++) {
        g_usleep(1000);
    }
    g_assert_nonnull(error);
    g_assert_nonnull(strstr(error->message, "no such page"));
    migrate_serve_stop(serve);
    scene_clear(&s);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ram-source/pushed", pushed);
    g_test_add_func("/ram-source/served", served);
    return g_test_run();
}
