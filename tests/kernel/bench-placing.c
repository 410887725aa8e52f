/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Five ways to place guest memory and make it huge, side by side: the numbers
 * that chose "born huge". All ways in turn, several rounds, medians. Before
 * each run as much memory is touched and freed, because memory that was never
 * touched is slow on a virtual machine. Fails if what was placed is wrong or
 * not huge. Usage: bench-placing [MiB [rounds]], as root.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/range.h"
#include "collapse/collapse-account.h"
#include "collapse/collapse-lay.h"
#include "uffd/uffd-fd.h"

#define MAX_ROUNDS 25

typedef struct {
    const char *name;
    bool copy;           /* UFFDIO_COPY into holes; else born huge */
    uint64_t step_bytes; /* of each COPY or CONTINUE; 0: none at all */
} Way;

static const Way ways[] = {
    {"COPY page by page, then collapse", true, PAGE_BYTES},
    {"COPY 256 KiB at a time, then collapse", true, 256 << 10},
    {"born huge, CONTINUE page by page", false, PAGE_BYTES},
    {"born huge, CONTINUE per extent", false, EXTENT_BYTES},
    {"born huge, no CONTINUE (bulk)", false, 0},
};

typedef struct {
    uint64_t lay_ns, fill_ns, collapse_ns;
} Times;

typedef struct {
    int file, uffd;
    uint64_t bytes;
    uint8_t *ours, *guest;
} Memory;

static const uint8_t *source; /* one extent of data */

static void
need(bool ok, GError *error, const char *what)
{
    if (!ok) {
        fprintf(stderr, "bench-placing: %s: %s\n", what,
                error ? error->message : g_strerror(errno));
        exit(1);
    }
}

static uint8_t *
map_view(int file, uint64_t bytes)
{
    uint8_t *room = mmap(NULL, bytes + EXTENT_BYTES, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    need(room != MAP_FAILED, NULL, "mmap");
    uint64_t at =
        range_round_down((uintptr_t)room + EXTENT_BYTES - 1, EXTENT_BYTES);
    uint8_t *view = mmap((void *)(uintptr_t)at, bytes, PROT_READ | PROT_WRITE,
                         MAP_SHARED | MAP_FIXED, file, 0);
    need(view != MAP_FAILED, NULL, "mmap of the file");
    return view;
}

static void
touch_and_free(uint64_t bytes)
{
    uint8_t *room = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(room != MAP_FAILED, NULL, "mmap to warm up");
    madvise(room, bytes, MADV_HUGEPAGE);
    memset(room, 1, bytes);
    munmap(room, bytes);
}

static void
lay(const Memory *m)
{
    g_autoptr(GError) error = NULL;
    uint64_t extents = m->bytes / EXTENT_BYTES;
    g_autofree uint8_t *wanted = g_malloc(extents), *laid = g_malloc(extents);
    memset(wanted, 1, extents);
    CollapseLayBlock block = {.file = m->file, .bytes = m->bytes,
                              .wanted = wanted, .laid = laid};
    CollapseLayResult result;
    bool ok = collapse_lay(&block, 1, getpid(), &result, &error);
    need(ok && result.failed_extents == 0, error, "lay huge pages");
}

static void
fill_extent(const Memory *m, const Way *way, uint64_t at)
{
    if (!way->copy) {
        memcpy(m->ours + at, source, EXTENT_BYTES);
    }
    uint64_t hva = (uintptr_t)m->guest + at;
    for (uint64_t done = 0; way->step_bytes && done < EXTENT_BYTES;
         done += way->step_bytes) {
        UffdOutcome outcome =
            way->copy ? uffd_fd_copy(m->uffd, hva + done, source + done,
                                     way->step_bytes)
                      : uffd_fd_continue(m->uffd, hva + done, way->step_bytes,
                                         NULL);
        need(outcome == UFFD_DONE, NULL, uffd_outcome_name(outcome));
    }
}

static void
collapse_all(const Memory *m)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CollapseTarget) target = collapse_target_open(getpid(), &error);
    need(target, error, "open ourselves");
    for (uint64_t at = 0; at < m->bytes; at += EXTENT_BYTES) {
        int errnum = EAGAIN;
        for (int tries = 0; tries < 50 && errnum == EAGAIN; tries++) {
            errnum = collapse_target_extent(target, (uintptr_t)m->guest + at);
        }
        errno = errnum;
        need(errnum == 0, NULL, "collapse");
    }
}

static void
check(const Memory *m)
{
    g_autoptr(GError) error = NULL;
    CollapseCoverage coverage;
    need(collapse_account_range(getpid(), (uintptr_t)m->guest, m->bytes,
                                &coverage, &error), error, "account");
    need(coverage.huge_bytes == m->bytes, NULL, "not all became huge");
    for (uint64_t at = 0; at < m->bytes; at += EXTENT_BYTES) {
        need(memcmp(m->guest + at, source, EXTENT_BYTES) == 0, NULL,
             "wrong bytes");
    }
}

static Times
run(const Way *way, uint64_t bytes)
{
    g_autoptr(GError) error = NULL;
    Times t = {0};
    touch_and_free(bytes + bytes / 8);
    Memory m = {.bytes = bytes, .uffd = uffd_fd_open(&error)};
    need(m.uffd >= 0 && uffd_fd_handshake(m.uffd, &error), error, "userfaultfd");
    m.file = memfd_create("bench", MFD_CLOEXEC);
    need(m.file >= 0 && ftruncate(m.file, (off_t)bytes) == 0, NULL, "memfd");
    uint64_t start = fd_now_ns();
    if (!way->copy) {
        lay(&m);
    }
    t.lay_ns = fd_now_ns() - start;
    m.ours = map_view(m.file, bytes);
    m.guest = map_view(m.file, bytes);
    need(uffd_fd_register(m.uffd, (uintptr_t)m.guest, bytes, &error), error,
         "register");
    start = fd_now_ns();
    for (uint64_t at = 0; at < bytes; at += EXTENT_BYTES) {
        fill_extent(&m, way, at);
    }
    uint64_t filled = fd_now_ns();
    collapse_all(&m);
    t.collapse_ns = fd_now_ns() - filled;
    t.fill_ns = filled - start;
    check(&m);
    munmap(m.guest, bytes);
    munmap(m.ours, bytes);
    fd_clear(&m.uffd);
    fd_clear(&m.file);
    return t;
}

static int
compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The median of field OFFSET of N times. */
static double
median(const Times *times, unsigned n, size_t offset)
{
    uint64_t values[MAX_ROUNDS];
    for (unsigned i = 0; i < n; i++) {
        memcpy(&values[i], (const char *)&times[i] + offset, sizeof values[i]);
    }
    qsort(values, n, sizeof values[0], compare_u64);
    return (double)values[n / 2];
}

static void
print_row(const Way *way, const Times *times, unsigned n, uint64_t bytes)
{
    double lay_ns = median(times, n, offsetof(Times, lay_ns));
    double fill_ns = median(times, n, offsetof(Times, fill_ns));
    double collapse_ns = median(times, n, offsetof(Times, collapse_ns));
    g_autofree char *lay_text =
        way->copy ? g_strdup("-")
                  : g_strdup_printf("%.1f", (double)bytes / lay_ns);
    printf("%-38s %8s %10.2f %12.1f %11.2f\n", way->name, lay_text,
           (double)bytes / fill_ns,
           collapse_ns / 1000 / (double)(bytes / EXTENT_BYTES),
           (double)bytes / (lay_ns + fill_ns + collapse_ns));
}

int
main(int argc, char **argv)
{
    static Times times[G_N_ELEMENTS(ways)][MAX_ROUNDS];
    uint64_t mib = argc > 1 ? strtoull(argv[1], NULL, 10) : 1024;
    unsigned rounds = argc > 2 ? (unsigned)atoi(argv[2]) : 5;
    uint64_t bytes = range_round_down(mib << 20, EXTENT_BYTES);
    if (bytes == 0 || rounds == 0 || rounds > MAX_ROUNDS) {
        fprintf(stderr, "usage: bench-placing [MiB [rounds up to %d]]\n",
                MAX_ROUNDS);
        return 2;
    }
    uint8_t *data = g_malloc(EXTENT_BYTES);
    for (uint64_t i = 0; i < EXTENT_BYTES; i++) {
        data[i] = (uint8_t)(i * 2654435761u >> 13);
    }
    source = data;
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned w = 0; w < G_N_ELEMENTS(ways); w++) {
            times[w][round] = run(&ways[w], bytes);
        }
    }
    printf("%llu MiB, median of %u rounds\n"
           "%-38s %8s %10s %12s %11s\n", (unsigned long long)(bytes >> 20),
           rounds, "way to place memory", "lay GB/s", "fill GB/s",
           "collapse us", "all in GB/s");
    for (unsigned w = 0; w < G_N_ELEMENTS(ways); w++) {
        print_row(&ways[w], times[w], rounds, bytes);
    }
    g_free(data);
    return 0;
}
