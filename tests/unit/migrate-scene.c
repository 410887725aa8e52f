/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * RAM without QEMU: see migrate-scene.h.
 */
#include "tests/unit/migrate-scene.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/range.h"
#include "uffd/uffd-fd.h"

/* Whole extents, and a block that ends in the middle of one. */
static const uint64_t block_bytes[SCENE_BLOCKS] = {
    6 * EXTENT_BYTES, 2 * EXTENT_BYTES + 77 * PAGE_BYTES};

/* What the victim leaves in the last word of each fourth page it touched. */
#define SCRIBBLE UINT64_C(0x5c41bb1e5c41bb1e)
#define WORDS (PAGE_BYTES / sizeof(uint64_t))

static bool
is_scribbled(uint64_t page)
{
    return page % 4 == 1;
}

static uint64_t
mix(uint64_t x)
{
    x ^= x >> 31;
    x *= UINT64_C(0x7fb5d329728ea185);
    x ^= x >> 27;
    x *= UINT64_C(0x81dadef4bc2dd44d);
    return x ^ x >> 33;
}

/* Data, zeros that are there, holes page by page, and a whole hole. */
static void
write_source(const MigrateBlock *block, unsigned index, unsigned seed)
{
    uint64_t words[WORDS];
    for (uint64_t page = 0; page < block->pages; page++) {
        uint64_t kind = mix(seed + page * 3 + index * 1000003u) % 16;
        uint64_t extent = page / PAGES_PER_EXTENT;
        if (kind < 2 || (index == 0 && extent == 3)) {
            continue;
        }
        for (unsigned i = 0; i < WORDS; i++) {
            words[i] = kind < 4 ? 0 : mix(page * WORDS + i + seed);
        }
        if (kind == 4) { /* all zeros but for the last byte */
            memset(words, 0, sizeof words);
            ((uint8_t *)words)[PAGE_BYTES - 1] = 1;
        }
        g_assert_cmpint(pwrite(block->file, words, PAGE_BYTES,
                               (off_t)(page * PAGE_BYTES)),
                        ==, PAGE_BYTES);
    }
}

static MigrateRam *
make_ram(const char *name)
{
    g_autoptr(GError) error = NULL;
    MigrateRam *ram = g_new0(MigrateRam, 1);
    ram->n_blocks = SCENE_BLOCKS;
    ram->blocks = g_new0(MigrateBlock, SCENE_BLOCKS);
    for (unsigned i = 0; i < SCENE_BLOCKS; i++) {
        MigrateBlock *block = &ram->blocks[i];
        block->name = g_strdup_printf("ram%u", i);
        block->bytes = block_bytes[i];
        block->pages = block->bytes / PAGE_BYTES;
        block->extents = (uint32_t)range_units(block->bytes, EXTENT_BYTES);
        block->aligned = true;
        block->file = memfd_create(name, MFD_CLOEXEC);
        g_assert_no_errno(ftruncate(block->file, (off_t)block->bytes));
        ram->bytes += block->bytes;
        ram->pages += block->pages;
        ram->extents += block->extents;
    }
    migrate_ram_map(ram, g_str_equal(name, "destination"), &error);
    g_assert_no_error(error);
    return ram;
}

/* As collapse_lay() does it, as far as this kernel lets us: where it has no
 * huge page to give, small ones full of zeros are as good for our purpose. */
static void
lay(Scene *s, SceneKind kind, uint8_t **laid)
{
    for (unsigned b = 0; b < SCENE_BLOCKS; b++) {
        MigrateBlock *block = &s->destination->blocks[b];
        laid[b] = g_malloc0(block->extents);
        for (uint32_t e = 0; e < block->extents; e++) {
            bool whole = migrate_ram_extent_pages(block, e) ==
                         PAGES_PER_EXTENT;
            if (!whole || kind == SCENE_SMALL ||
                (kind == SCENE_MIXED && e % 2 == 0)) {
                continue;
            }
            g_assert_no_errno(fallocate(block->file, 0,
                                        (off_t)(e * EXTENT_BYTES),
                                        (off_t)EXTENT_BYTES));
            madvise(block->view + e * EXTENT_BYTES, EXTENT_BYTES,
                    25 /* MADV_COLLAPSE, Linux 6.1 */);
            migrate_ram_forget(block, e);
            laid[b][e] = 1;
        }
    }
}

/* The victim from here on. */

typedef struct {
    uint8_t *map[SCENE_BLOCKS];
    const MigrateRam *source;
    uint64_t seed;
    bool scribbles;
} Toucher;

static bool
page_is_right(const uint8_t *ours, const uint8_t *truth, uint64_t page)
{
    const uint64_t *a = (const uint64_t *)(const void *)ours;
    const uint64_t *b = (const uint64_t *)(const void *)truth;
    /* The first access decides how the page comes: let it be any word. */
    uint64_t last = __atomic_load_n(&a[WORDS - 1], __ATOMIC_RELAXED);
    return memcmp(a, b, (WORDS - 1) * sizeof *a) == 0 &&
           (last == b[WORDS - 1] || (is_scribbled(page) && last == SCRIBBLE));
}

static void *
touch_all(void *data)
{
    Toucher *t = data;
    uint64_t pages = t->source->pages;
    for (uint64_t i = 0; i < 2 * pages; i++) {
        /* A walk in big, changing steps, then every page in order. */
        uint64_t at = i < pages ? mix(t->seed + i) % pages : i - pages;
        unsigned b = at < t->source->blocks[0].pages ? 0 : 1;
        at -= b ? t->source->blocks[0].pages : 0;
        uint8_t *page = t->map[b] + at * PAGE_BYTES;
        if (t->scribbles && is_scribbled(at)) {
            __atomic_store_n((uint64_t *)(void *)page + WORDS - 1, SCRIBBLE,
                             __ATOMIC_RELAXED);
        }
        if (!page_is_right(page, t->source->blocks[b].view + at * PAGE_BYTES,
                           at)) {
            return (void *)page;
        }
    }
    return NULL;
}

static void
send_userfaultfd(int talk, Toucher *t)
{
    g_autofree char *text =
        g_strdup_printf("%020" G_GUINT64_FORMAT "%020" G_GUINT64_FORMAT,
                        (guint64)(uintptr_t)t->map[0],
                        (guint64)(uintptr_t)t->map[1]);
    autofd uffd = uffd_fd_open(NULL);
    if (uffd < 0 || !uffd_fd_handshake(uffd, NULL) ||
        !fd_send_with_fd(talk, text, 40, uffd, NULL)) {
        _exit(77);
    }
    /* Our own copy closes: the scene holds the other, as the helper does. */
}

static void G_GNUC_NORETURN
live_as_victim(Scene *s, int talk, unsigned seed)
{
    Toucher touchers[SCENE_TOUCHERS] = {{.source = s->source}};
    pthread_t threads[SCENE_TOUCHERS];
    char go;
    int wrong = 0;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* The mapping is the parent's view, inherited; nothing was touched yet, so
     * there is no page-table entry in it. */
    for (unsigned b = 0; b < SCENE_BLOCKS; b++) {
        touchers[0].map[b] = s->destination->blocks[b].view;
    }
    send_userfaultfd(talk, &touchers[0]);
    if (read(talk, &go, 1) != 1) {
        _exit(2);
    }
    for (unsigned i = 0; i < SCENE_TOUCHERS; i++) {
        touchers[i] = touchers[0];
        touchers[i].seed = seed * 31 + i;
        touchers[i].scribbles = i == 0;
    }
    for (unsigned i = 0; i < SCENE_TOUCHERS; i++) {
        pthread_create(&threads[i], NULL, touch_all, &touchers[i]);
    }
    for (unsigned i = 0; i < SCENE_TOUCHERS; i++) {
        void *page;
        pthread_join(threads[i], &page);
        wrong += page != NULL;
    }
    ssize_t told = write(talk, wrong ? "n" : "y", 1);
    /* Until the scene is over, so that pages can still be mapped into us. */
    _exit(told == 1 && read(talk, &go, 1) >= 0 ? wrong : 3);
}

static bool
receive_userfaultfd(Scene *s, uint64_t hva[SCENE_BLOCKS])
{
    char text[41] = "";
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {.iov_base = text, .iov_len = 40};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof control.room};
    if (recvmsg(s->talk, &message, MSG_CMSG_CLOEXEC) != 40) {
        return false;
    }
    memcpy(&s->uffd, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof s->uffd);
    hva[1] = g_ascii_strtoull(text + 20, NULL, 10);
    text[20] = '\0';
    hva[0] = g_ascii_strtoull(text, NULL, 10);
    return true;
}

static bool
give_up(Scene *s, const char *why)
{
    scene_clear(s);
    if (g_strcmp0(g_getenv("TESTS_MUST_RUN"), "1") == 0) {
        g_test_fail_printf("TESTS_MUST_RUN=1, but %s", why);
    } else {
        g_test_skip(why);
    }
    return false;
}

static bool
fork_victim(Scene *s, unsigned seed, uint64_t hva[SCENE_BLOCKS])
{
    int fds[2];
    g_assert_no_errno(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
    s->child = fork();
    if (s->child == 0) {
        close(fds[0]);
        live_as_victim(s, fds[1], seed);
    }
    s->talk = fds[0];
    close(fds[1]);
    return s->child > 0 && receive_userfaultfd(s, hva);
}

bool
scene_init(Scene *s, SceneKind kind, unsigned seed)
{
    g_autoptr(GError) error = NULL;
    uint8_t *laid[SCENE_BLOCKS];
    uint64_t hva[SCENE_BLOCKS];
    *s = (Scene){.talk = -1, .uffd = -1};
    migrate_alarm_init(&s->alarm, NULL);
    s->source = make_ram("source");
    for (unsigned b = 0; b < SCENE_BLOCKS; b++) {
        write_source(&s->source->blocks[b], b, seed);
    }
    s->destination = make_ram("destination");
    if (!fork_victim(s, seed, hva)) {
        return give_up(s, "no userfaultfd here: needs root, Linux 5.18");
    }
    lay(s, kind, laid);
    s->regions = uffd_regions_new();
    for (unsigned b = 0; b < SCENE_BLOCKS; b++) {
        s->destination->blocks[b].hva = hva[b];
        uffd_regions_add(s->regions, b, hva[b], block_bytes[b], &error);
        g_assert_no_error(error);
        uffd_fd_register(s->uffd, hva[b], block_bytes[b], &error);
        g_assert_no_error(error);
    }
    s->pages = migrate_pages_new(s->destination, laid, s->uffd, &s->alarm,
                                 &error);
    g_assert_no_error(error);
    return true;
}

void
scene_go(Scene *s)
{
    g_assert_cmpint(write(s->talk, "g", 1), ==, 1);
}

void
scene_mark_holes(Scene *s)
{
    for (unsigned b = 0; b < SCENE_BLOCKS; b++) {
        g_autofree uint8_t *data =
            migrate_ram_data_extents(&s->source->blocks[b], NULL);
        for (uint32_t e = 0; e < s->source->blocks[b].extents; e++) {
            if (!(data[e / 8] >> (e % 8) & 1)) {
                migrate_pages_hole(s->pages, b, e, &s->tally);
            }
        }
    }
}

bool
scene_wait_complete(Scene *s, unsigned seconds)
{
    uint64_t deadline = fd_deadline_ns((int)seconds * 1000);
    while (!migrate_pages_complete(s->pages) && fd_now_ns() < deadline) {
        g_usleep(1000);
    }
    return migrate_pages_complete(s->pages);
}

bool
scene_wait_touched(Scene *s, unsigned seconds)
{
    return fd_wait(s->talk, POLLIN, fd_deadline_ns((int)seconds * 1000), NULL);
}

uint64_t
scene_count(Scene *s, unsigned state)
{
    uint64_t n = 0;
    for (unsigned b = 0; b < SCENE_BLOCKS; b++) {
        PageState *states = migrate_pages_states(s->pages, b);
        for (uint64_t i = 0; i < s->destination->blocks[b].pages; i++) {
            n += page_state_get(&states[i]) == state;
        }
    }
    return n;
}

void
scene_check(Scene *s)
{
    char verdict = 0;
    int status;
    g_autoptr(GError) error = NULL;
    fd_read_all(s->talk, &verdict, 1, fd_deadline_ns(30000), &error);
    g_assert_no_error(error);
    g_assert_cmpint(verdict, ==, 'y');
    for (unsigned b = 0; b < SCENE_BLOCKS; b++) {
        const MigrateBlock *from = &s->source->blocks[b];
        const MigrateBlock *to = &s->destination->blocks[b];
        for (uint64_t page = 0; page < from->pages; page++) {
            const uint8_t *ours = to->view + page * PAGE_BYTES;
            g_assert_true(page_is_right(ours, from->view + page * PAGE_BYTES,
                                        page));
            /* Nobody wrote it again after the victim did. */
            const uint64_t *words = (const uint64_t *)(const void *)ours;
            g_assert_true(!is_scribbled(page) || words[WORDS - 1] == SCRIBBLE);
        }
    }
    fd_clear(&s->talk);
    g_assert_cmpint(waitpid(s->child, &status, 0), ==, s->child);
    s->child = 0;
    g_assert_cmpint(status, ==, 0);
}

void
scene_clear(Scene *s)
{
    fd_clear(&s->talk);
    if (s->child > 0) {
        kill(s->child, SIGKILL);
        waitpid(s->child, NULL, 0);
    }
    g_clear_pointer(&s->pages, migrate_pages_free);
    g_clear_pointer(&s->regions, uffd_regions_free);
    fd_clear(&s->uffd);
    g_clear_pointer(&s->source, migrate_ram_free);
    g_clear_pointer(&s->destination, migrate_ram_free);
    migrate_alarm_clear(&s->alarm);
}
