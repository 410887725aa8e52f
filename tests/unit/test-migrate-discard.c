/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The guest discards memory (balloon) that is still on its way: before it
 * comes, while it comes, when its stream breaks in the middle. It must read as
 * zeros afterwards, and nobody may be held up. We are guest, QEMU and source
 * ourselves, so that the order of things is ours to choose.
 */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/bits.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/range.h"
#include "migrate/pages/migrate-fault.h"
#include "migrate/pages/migrate-fill.h"
#include "migrate/session/migrate-session.h"
#include "uffd/uffd-fd.h"

#define EXTENTS 2u
#define BYTES (EXTENTS * EXTENT_BYTES)
#define PAGES (EXTENTS * PAGES_PER_EXTENT)
#define PATIENCE_MS 10000

typedef struct {
    MigrateRam *ram;
    uint8_t *guest; /* what QEMU maps */
    int uffd;
    UffdRegions *regions;
    MigrateAlarm alarm;
    MigratePages *pages;
    MigrateFault *fault;
    int source; /* our end of the bulk connection */
    WireLink *bulk;
    MigrateFill *fill;
} Scene;

static bool
open_userfaultfd(Scene *s)
{
    g_autoptr(GError) error = NULL;
    s->uffd = uffd_fd_open(NULL);
    if (s->uffd < 0 || !uffd_fd_handshake(s->uffd, &error)) {
        if (g_strcmp0(g_getenv("TESTS_MUST_RUN"), "1") == 0) {
            g_test_fail_printf("no userfaultfd: %s",
                               error ? error->message : "refused");
        } else {
            g_test_skip("no userfaultfd here: needs root, Linux 5.18");
        }
        fd_clear(&s->uffd);
        return false;
    }
    return true;
}

static void
make_ram(Scene *s)
{
    g_autoptr(GError) error = NULL;
    s->ram = g_new0(MigrateRam, 1);
    s->ram->n_blocks = 1;
    s->ram->blocks = g_new0(MigrateBlock, 1);
    s->ram->blocks[0] = (MigrateBlock){.name = g_strdup("ram"),
                                       .bytes = BYTES,
                                       .pages = PAGES,
                                       .extents = EXTENTS,
                                       .aligned = true};
    s->ram->bytes = BYTES;
    s->ram->pages = PAGES;
    s->ram->extents = EXTENTS;
    s->ram->blocks[0].file = memfd_create("ram", MFD_CLOEXEC);
    g_assert_no_errno(ftruncate(s->ram->blocks[0].file, BYTES));
    migrate_ram_map(s->ram, true, &error);
    g_assert_no_error(error);
    s->guest = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
                    s->ram->blocks[0].file, 0);
    g_assert_true(s->guest != MAP_FAILED);
    s->ram->blocks[0].hva = (uintptr_t)s->guest;
}

static void
connect_bulk(Scene *s)
{
    int fds[2];
    g_assert_no_errno(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    s->source = fds[0];
    s->bulk = wire_link_new(fds[1]);
    s->fill = migrate_fill_start(s->bulk, s->pages, &s->alarm);
}

static bool
scene_init(Scene *s, bool laid)
{
    g_autoptr(GError) error = NULL;
    uint8_t *map = g_malloc0(EXTENTS);
    *s = (Scene){.uffd = -1, .source = -1};
    if (!open_userfaultfd(s)) {
        g_free(map);
        return false;
    }
    make_ram(s);
    memset(map, laid, EXTENTS);
    if (laid) {
        g_assert_no_errno(fallocate(s->ram->blocks[0].file, 0, 0, BYTES));
    }
    migrate_alarm_init(&s->alarm, NULL);
    s->regions = uffd_regions_new();
    uffd_regions_add(s->regions, 0, (uintptr_t)s->guest, BYTES, &error);
    uffd_fd_register(s->uffd, (uintptr_t)s->guest, BYTES, &error);
    g_assert_no_error(error);
    s->pages = migrate_pages_new(s->ram, &map, s->uffd, &s->alarm, &error);
    g_assert_no_error(error);
    s->fault = migrate_fault_start(s->uffd, s->regions, NULL, s->pages,
                                   &s->alarm);
    connect_bulk(s);
    return true;
}

static void
break_bulk(Scene *s)
{
    fd_clear(&s->source);
    migrate_fill_stop(s->fill, NULL);
    wire_link_free(s->bulk);
}

static void
scene_clear(Scene *s)
{
    break_bulk(s);
    migrate_fault_stop(s->fault, NULL);
    munmap(s->guest, BYTES);
    migrate_pages_free(s->pages);
    uffd_regions_free(s->regions);
    fd_clear(&s->uffd);
    migrate_ram_free(s->ram);
    migrate_alarm_clear(&s->alarm);
}

/* As QEMU's ram_block_discard_range() does it for a shared file. */
static void
discard(Scene *s, uint64_t page, uint64_t n)
{
    g_assert_no_errno(fallocate(s->ram->blocks[0].file,
                                FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                (off_t)(page * PAGE_BYTES),
                                (off_t)(n * PAGE_BYTES)));
    g_assert_no_errno(madvise(s->guest + page * PAGE_BYTES, n * PAGE_BYTES,
                              MADV_DONTNEED));
}

static uint8_t
old_byte(uint64_t page)
{
    return (uint8_t)(page % 251 + 1);
}

static void
send_bytes(Scene *s, const void *bytes, size_t n)
{
    g_autoptr(GError) error = NULL;
    fd_write_all(s->source, bytes, n, fd_deadline_ns(PATIENCE_MS), &error);
    g_assert_no_error(error);
}

static void
send_head(Scene *s, uint32_t extent)
{
    WireExtentBytes bytes;
    WireExtent head = {.type = WIRE_EXTENT, .extent = extent};
    memset(head.data, 0xff, sizeof head.data);
    wire_extent_encode(&head, &bytes);
    send_bytes(s, &bytes, sizeof bytes);
}

/* The bytes of pages [first, first + n), and HALF of one more. */
static void
send_pages(Scene *s, uint64_t first, uint64_t n, bool half)
{
    uint8_t page[PAGE_BYTES];
    for (uint64_t i = 0; i < n + half; i++) {
        memset(page, old_byte(first + i), sizeof page);
        send_bytes(s, page, i < n ? sizeof page : sizeof page / 2);
    }
}

static void
send_rest_of_page(Scene *s, uint64_t page)
{
    uint8_t rest[PAGE_BYTES / 2];
    memset(rest, old_byte(page), sizeof rest);
    send_bytes(s, rest, sizeof rest);
}

static void
wait_for_state(Scene *s, uint64_t page, unsigned state)
{
    uint64_t deadline = fd_deadline_ns(PATIENCE_MS);
    PageState *states = migrate_pages_states(s->pages, 0);
    while (page_state_get(&states[page]) != state) {
        g_assert_cmpuint(fd_now_ns(), <, deadline);
        g_usleep(200);
    }
}

static void
assert_page(Scene *s, uint64_t page, uint8_t expected)
{
    const volatile uint8_t *at = s->guest + page * PAGE_BYTES;
    for (unsigned i = 0; i < PAGE_BYTES; i += 512) {
        if (at[i] != expected) {
            g_error("page %u reads 0x%02x at %u instead of 0x%02x",
                    (unsigned)page, at[i], i, expected);
        }
    }
}

static void
before_it_comes(gconstpointer laid)
{
    Scene s;
    if (!scene_init(&s, GPOINTER_TO_INT(laid))) {
        return;
    }
    discard(&s, 3, 5);
    wait_for_state(&s, 7, PAGE_PRESENT);
    assert_page(&s, 4, 0);
    s.guest[5 * PAGE_BYTES] = 0xee; /* and the guest uses it again */
    send_head(&s, 0);
    send_pages(&s, 0, PAGES_PER_EXTENT, false);
    wait_for_state(&s, PAGES_PER_EXTENT - 1, PAGE_PRESENT);
    for (uint64_t i = 0; i < PAGES_PER_EXTENT; i++) {
        if (i != 5) {
            assert_page(&s, i, i >= 3 && i < 8 ? 0 : old_byte(i));
        }
    }
    g_assert_cmphex(s.guest[5 * PAGE_BYTES], ==, 0xee);
    scene_clear(&s);
}

static void
while_it_comes(gconstpointer laid)
{
    Scene s;
    if (!scene_init(&s, GPOINTER_TO_INT(laid))) {
        return;
    }
    send_head(&s, 0);
    send_pages(&s, 0, 32, true);
    wait_for_state(&s, 32, PAGE_FILLING);
    discard(&s, 32, 1);
    send_rest_of_page(&s, 32);
    send_pages(&s, 33, PAGES_PER_EXTENT - 33, false);
    wait_for_state(&s, PAGES_PER_EXTENT - 1, PAGE_PRESENT);
    for (uint64_t i = 0; i < PAGES_PER_EXTENT; i++) {
        assert_page(&s, i, i == 32 ? 0 : old_byte(i));
    }
    scene_clear(&s);
}

static void
when_its_stream_breaks(gconstpointer laid)
{
    Scene s;
    if (!scene_init(&s, GPOINTER_TO_INT(laid))) {
        return;
    }
    send_head(&s, 0);
    send_pages(&s, 0, 32, true);
    wait_for_state(&s, 32, PAGE_FILLING);
    discard(&s, 32, 1);
    break_bulk(&s);
    wait_for_state(&s, 32, PAGE_ABSENT);
    discard(&s, 40, 1); /* given up, half of its neighbours' piece is there */
    connect_bulk(&s);
    send_head(&s, 0);
    send_pages(&s, 0, PAGES_PER_EXTENT, false);
    wait_for_state(&s, PAGES_PER_EXTENT - 1, PAGE_PRESENT);
    for (uint64_t i = 0; i < PAGES_PER_EXTENT; i++) {
        assert_page(&s, i, i == 32 || i == 40 ? 0 : old_byte(i));
    }
    scene_clear(&s);
}

static void *
touch(void *data)
{
    Scene *s = data;
    assert_page(s, 32, 0);
    return NULL;
}

/* Who waits for it gets the zeros as well. */
static void
under_a_fault(gconstpointer laid)
{
    Scene s;
    pthread_t thread;
    if (!scene_init(&s, GPOINTER_TO_INT(laid))) {
        return;
    }
    send_head(&s, 0);
    send_pages(&s, 0, 32, true);
    wait_for_state(&s, 32, PAGE_FILLING);
    discard(&s, 32, 1);
    pthread_create(&thread, NULL, touch, &s);
    g_usleep(20000);
    send_rest_of_page(&s, 32);
    send_pages(&s, 33, PAGES_PER_EXTENT - 33, false);
    pthread_join(thread, NULL);
    scene_clear(&s);
}

typedef struct {
    Scene *scene;
    _Atomic bool stop;
} Restless;

static void *
discard_without_end(void *data)
{
    Restless *r = data;
    for (uint64_t page = 0; !r->stop; page = (page + 37) % PAGES) {
        discard(r->scene, page, 3);
    }
    return NULL;
}

/* While discards are announced nothing can be mapped (EAGAIN): everybody gets
 * on all the same, and a page is what it was or zero. */
static void
without_end(gconstpointer laid)
{
    Scene s;
    if (!scene_init(&s, GPOINTER_TO_INT(laid))) {
        return;
    }
    Restless r = {.scene = &s};
    pthread_t thread;
    pthread_create(&thread, NULL, discard_without_end, &r);
    for (uint32_t e = 0; e < EXTENTS; e++) {
        send_head(&s, e);
        send_pages(&s, (uint64_t)e * PAGES_PER_EXTENT, PAGES_PER_EXTENT,
                   false);
    }
    for (uint64_t i = 0; i < 4 * PAGES; i++) {
        uint64_t page = i * 7 % PAGES;
        uint8_t byte = *(volatile uint8_t *)(s.guest + page * PAGE_BYTES);
        g_assert_true(byte == 0 || byte == old_byte(page));
    }
    r.stop = true;
    pthread_join(thread, NULL);
    /* Mapped is not yet marked as present: whoever maps marks afterwards. */
    uint64_t deadline = fd_deadline_ns(PATIENCE_MS);
    while (!migrate_pages_complete(s.pages) && fd_now_ns() < deadline) {
        g_usleep(1000);
    }
    g_assert_true(migrate_pages_complete(s.pages));
    scene_clear(&s);
}

/* A cgroup without a byte to spare. */
static CollapseMargin *
no_margin(void)
{
    static const char *const files[] = {"cgroup.procs", "memory.stat",
                                        "memory.max", "memory.current"};
    g_autofree char *directory =
        g_dir_make_tmp("postlude-full-XXXXXX", NULL);
    CollapseMargin *margin;
    for (unsigned i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(directory, files[i], NULL);
        g_assert_true(g_file_set_contents(path, "4096\n", -1, NULL));
    }
    margin = collapse_margin_open_at(directory, "/dev/null");
    for (unsigned i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(directory, files[i], NULL);
        unlink(path);
    }
    rmdir(directory);
    return margin;
}

/* Its stream waits for room that never comes; a session that ends, because QEMU
 * has, does not wait with it. */
static void
room_never_comes(void)
{
    Scene s;
    const MigrateOptions options = {.role = MIGRATE_RECEIVE};
    if (!scene_init(&s, false)) {
        return;
    }
    migrate_shortage_mind(migrate_pages_shortage(s.pages), no_margin());
    send_head(&s, 0);
    send_pages(&s, 0, 16, false);
    wait_for_state(&s, 0, PAGE_FILLING);
    migrate_fault_stop(s.fault, NULL);
    MigrateSession *session = migrate_session_new(&options);
    session->peer.n_streams = 1;
    session->destination.fill[0] = s.fill;
    session->destination.pages = s.pages;
    alarm(60);
    migrate_session_free(session);
    alarm(0);
    fd_clear(&s.source);
    wire_link_free(s.bulk);
    munmap(s.guest, BYTES);
    uffd_regions_free(s.regions);
    fd_clear(&s.uffd);
    migrate_ram_free(s.ram);
    migrate_alarm_clear(&s.alarm);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        GTestDataFunc run;
    } tests[] = {
        {"before-it-comes", before_it_comes},
        {"while-it-comes", while_it_comes},
        {"when-its-stream-breaks", when_its_stream_breaks},
        {"under-a-fault", under_a_fault},
        {"without-end", without_end},
    };
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/small/room-never-comes", room_never_comes);
    for (unsigned i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *laid = g_strdup_printf("/laid/%s", tests[i].name);
        g_autofree char *small = g_strdup_printf("/small/%s", tests[i].name);
        g_test_add_data_func(laid, GINT_TO_POINTER(1), tests[i].run);
        g_test_add_data_func(small, GINT_TO_POINTER(0), tests[i].run);
    }
    return g_test_run();
}
