/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Lay huge folios under a RAM file: see collapse-lay.h. The parent finds the
 * cgroup, forks, waits and judges; the child does the work and reports on a
 * board of shared memory. The child uses only system calls: GLib's locks may
 * be held by a thread that fork() did not copy.
 */
#include "collapse/collapse-lay.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/proc-life.h"
#include "base/range.h"
#include "collapse/collapse-cgroup.h"
#include "collapse/collapse-compat.h"

/* EAGAIN is a page that is locked or pinned for a moment: 1, 2, 4... ms. */
#define EAGAIN_TRIES 6

/* After so many refusals in a row for one reason (no huge page free, the
 * cgroup is full) the rest is not tried: each try may compact or reclaim for
 * milliseconds, and a guest has 30,000 extents. */
#define GIVE_UP_AFTER 64

/* Extents laid by one call: each call waits for every CPU to empty its page
 * lists (see collapse_target_range), a millisecond or two where a vCPU is
 * busy, while 2 MiB are zeroed in a sixth of one. Not more, because all of them
 * are mapped by the child for that moment. */
#define LAY_TOGETHER 4u

#define WATCH_MS 100

/* Written by the child, read by the parent after it ended. */
typedef struct {
    bool joined;
    int join_errno;
    bool busy; /* these extents are between allocated and judged: */
    unsigned busy_block;
    uint64_t busy_first, busy_count;
    _Atomic uint64_t tried;
    CollapseErrors errors;
    uint8_t laid[]; /* one byte per whole extent of all blocks, in order */
} Board;

typedef struct {
    const CollapseLayBlock *blocks;
    unsigned n;
    int cgroup_procs; /* -1: none */
    CollapseLayWatch watch; /* of the parent, or NULL */
    gpointer watch_data;
    pid_t parent;
    Board *board;
    bool touch; /* this kernel wants the one page mapped */
    /* The child's memory of refusals in a row. */
    int last_errnum;
    unsigned refusals;
} Job;

static uint64_t
whole_extents(const CollapseLayBlock *block)
{
    return block->bytes / EXTENT_BYTES;
}

static off_t
extent_offset(const CollapseLayBlock *block, uint64_t extent)
{
    return (off_t)(block->offset + extent * EXTENT_BYTES);
}

static void
lay_punch(const CollapseLayBlock *block, uint64_t extent)
{
    fallocate(block->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
              extent_offset(block, extent), (off_t)EXTENT_BYTES);
}

static void
sleep_ms(long ms)
{
    struct timespec pause = {.tv_nsec = ms * 1000000};
    nanosleep(&pause, NULL);
}

static int
collapse_patiently(uint8_t *at)
{
    for (int tries = 0;; tries++) {
        if (madvise(at, EXTENT_BYTES, MADV_COLLAPSE) == 0) {
            return 0;
        }
        if (errno != EAGAIN || tries == EAGAIN_TRIES) {
            return errno;
        }
        sleep_ms(1L << tries);
    }
}

/* A tmpfs that has room for the one page and not for the rest makes
 * MADV_COLLAPSE answer EINVAL (mm/khugepaged.c: SCAN_FAIL, of shmem_charge()),
 * which also means a dozen other things. */
static bool
is_full(int file)
{
    struct statfs fs;
    return fstatfs(file, &fs) == 0 && fs.f_blocks > 0 &&
           (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize <
               EXTENT_BYTES - PAGE_BYTES;
}

/* Linux 6.1 makes the huge page and then says EINVAL where we have mapped none
 * of it (see collapse_target_range()). One page is there: touching it costs no
 * memory but our own page table. */
static void
lay_touch(const uint8_t *at)
{
    (void)*(const volatile uint8_t *)at;
}

static int
collapse_one(Job *job, uint8_t *at)
{
    if (job->touch) {
        lay_touch(at);
    }
    int errnum = collapse_patiently(at);
    if (errnum == EINVAL && !job->touch) {
        lay_touch(at);
        errnum = collapse_patiently(at);
        job->touch = errnum == 0;
    }
    return errnum;
}

/* The extent is a hole: the caller has punched the file, and nobody else has
 * it open before the guest runs. Were there data, it would survive (collapse
 * copies it), but a failure would punch it away.
 *
 * MADV_COLLAPSE wants one page to start from. fallocate() and not a store: a
 * full tmpfs is then ENOSPC, where a store is SIGBUS. */
static int
lay_extent(Job *job, const CollapseLayBlock *block, uint64_t extent,
           uint8_t *at)
{
    if (fallocate(block->file, FALLOC_FL_KEEP_SIZE,
                  extent_offset(block, extent), (off_t)PAGE_BYTES) < 0) {
        return errno;
    }
    int errnum = collapse_one(job, at);
    if (errnum == EINVAL && is_full(block->file)) {
        errnum = ENOSPC;
    }
    /* Out of our page table at once, so that the child stays small in the eyes
     * of the OOM killer and its exit is short. */
    madvise(at, EXTENT_BYTES, MADV_DONTNEED);
    if (errnum) {
        lay_punch(block, extent);
    }
    return errnum;
}

static bool
given_up(const Job *job)
{
    return job->refusals >= GIVE_UP_AFTER;
}

static void
lay_note(Job *job, int errnum)
{
    if (errnum == 0) {
        job->refusals = 0;
        return;
    }
    job->refusals = errnum == job->last_errnum ? job->refusals + 1 : 1;
    job->last_errnum = errnum;
    collapse_errors_add(&job->board->errors, errnum);
}

/* A shared view of the block in which file offset and address agree modulo
 * 2 MiB. Room for one extent more than needed is reserved first, because
 * mmap() knows no alignment. MAP_FAILED on error. */
static uint8_t *
map_aligned(const CollapseLayBlock *block, size_t bytes)
{
    uint8_t *room = mmap(NULL, bytes + EXTENT_BYTES, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (room == MAP_FAILED) {
        return MAP_FAILED;
    }
    uintptr_t aligned =
        ((uintptr_t)room + EXTENT_BYTES - 1) & ~(uintptr_t)(EXTENT_BYTES - 1);
    return mmap((void *)aligned, bytes, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_FIXED, block->file, (off_t)block->offset);
}

/* All of N neighbours in one call, or false: then nothing is known of them,
 * and lay_extent() finds out one by one. */
static bool
lay_together(const Job *job, const CollapseLayBlock *block, uint64_t first,
             uint64_t n, uint8_t *at)
{
    for (uint64_t i = 0; i < n; i++) {
        if (fallocate(block->file, FALLOC_FL_KEEP_SIZE,
                      extent_offset(block, first + i),
                      (off_t)PAGE_BYTES) < 0) {
            return false;
        }
        if (job->touch) {
            lay_touch(at + i * EXTENT_BYTES);
        }
    }
    bool all = madvise(at, n * EXTENT_BYTES, MADV_COLLAPSE) == 0;
    madvise(at, n * EXTENT_BYTES, MADV_DONTNEED);
    return all;
}

static void
lay_run(Job *job, const CollapseLayBlock *block, uint64_t first, uint64_t n,
        uint8_t *at, uint8_t *laid)
{
    if (n > 1 && job->refusals == 0 && lay_together(job, block, first, n, at)) {
        memset(laid, 1, n);
        return;
    }
    for (uint64_t i = 0; i < n; i++) {
        int errnum = given_up(job)
                         ? job->last_errnum
                         : lay_extent(job, block, first + i,
                                      at + i * EXTENT_BYTES);
        if (given_up(job)) { /* lay_together() may have left a page in it */
            lay_punch(block, first + i);
        }
        laid[i] = errnum == 0;
        lay_note(job, errnum);
    }
}

/* Wanted neighbours from FIRST on, LAY_TOGETHER at most; 0 if FIRST is not. */
static uint64_t
wanted_run(const CollapseLayBlock *block, uint64_t first)
{
    uint64_t n = 0;
    while (n < LAY_TOGETHER && first + n < whole_extents(block) &&
           block->wanted[first + n]) {
        n++;
    }
    return n;
}

static void
lay_block(Job *job, unsigned index, uint8_t *laid)
{
    const CollapseLayBlock *block = &job->blocks[index];
    uint64_t n = whole_extents(block);
    if (n == 0) {
        return;
    }
    Board *board = job->board;
    uint8_t *view = map_aligned(block, n * EXTENT_BYTES);
    int map_errnum = view == MAP_FAILED ? errno : 0;
    uint64_t run;
    for (uint64_t i = 0; i < n; i += MAX(run, 1)) {
        run = wanted_run(block, i);
        if (run > 0 && map_errnum) {
            collapse_errors_add(&board->errors, map_errnum);
            run = 1;
        } else if (run > 0) {
            board->busy_block = index;
            board->busy_first = i;
            board->busy_count = run;
            board->busy = true;
            lay_run(job, block, i, run, view + i * EXTENT_BYTES, laid + i);
            board->busy = false;
        }
        board->tried += run;
    }
    if (!map_errnum) {
        munmap(view, n * EXTENT_BYTES);
    }
}

/* Where memory runs out in the VM's cgroup, this child is to be killed and
 * not QEMU, whose share is still small. Before it joins: its next page may be
 * the one that is too much. */
static void
volunteer_for_oom(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t n = write(fd, "1000", 4);
        (void)n;
        close(fd);
    }
}

static void
join_cgroup(Job *job)
{
    if (job->cgroup_procs >= 0) {
        job->board->joined = write(job->cgroup_procs, "0", 1) == 1;
        job->board->join_errno = job->board->joined ? 0 : errno;
    }
}

static G_GNUC_NORETURN void
lay_child(Job *job)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != job->parent) {
        _exit(1); /* it died before we could ask to be told */
    }
    volunteer_for_oom();
    join_cgroup(job);
    uint8_t *laid = job->board->laid;
    for (unsigned i = 0; i < job->n; i++) {
        lay_block(job, i, laid);
        laid += whole_extents(&job->blocks[i]);
    }
    _exit(0);
}

static bool
check_block(const CollapseLayBlock *block, GError **error)
{
    struct stat file;
    uint64_t end;
    Range range = {.start = block->offset, .bytes = block->bytes};
    if (!range_is_aligned(block->offset, EXTENT_BYTES)) {
        return error_set(error, ERROR_STATE,
                         "cannot lay huge pages under a RAM block that starts "
                         "at offset %#" PRIx64 " of its file: it is not a "
                         "multiple of 2 MiB", block->offset);
    }
    if (fstat(block->file, &file) < 0) {
        return error_set_errno(error, errno, "cannot examine the RAM file");
    }
    if (!range_end(&range, &end) || (uint64_t)file.st_size < end) {
        return error_set(error, ERROR_STATE,
                         "the RAM file is %jd bytes long, shorter than the "
                         "RAM block of %" PRIu64 " bytes at offset %#" PRIx64
                         " in it", (intmax_t)file.st_size, block->bytes,
                         block->offset);
    }
    return true;
}

static void
warn_not_charged(pid_t target, const char *reason)
{
    g_warning("the huge pages of process %d will be charged to this process's "
              "memory cgroup and not to the VM's: %s", (int)target, reason);
}

static bool
judge_exit(int status, GError **error)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
        return true;
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL) {
        return error_set(error, ERROR_FAILED,
                         "the process that lays huge pages for the VM was "
                         "killed, most likely for want of memory: raise the "
                         "memory limit of the VM's cgroup above its RAM size, "
                         "or free memory on this host");
    }
    if (WIFSIGNALED(status)) {
        return error_set(error, ERROR_FAILED,
                         "the process that lays huge pages for the VM was "
                         "ended by signal %d (%s)", WTERMSIG(status),
                         strsignal(WTERMSIG(status)));
    }
    return error_set(error, ERROR_FAILED,
                     "the process that lays huge pages for the VM failed "
                     "(exit status %d)", WEXITSTATUS(status));
}

static uint64_t
lay_tried(const Job *job)
{
    return job->board->tried;
}

/* False if the watcher wants an end; it is killed then, and not yet waited
 * for. */
static bool
watch_child(const Job *job, pid_t pid)
{
    autofd life = (int)syscall(SYS_pidfd_open, pid, 0);
    while (job->watch && life >= 0) {
        if (!job->watch(lay_tried(job), job->watch_data)) {
            kill(pid, SIGKILL);
            return false;
        }
        if (proc_life_has_ended(life, WATCH_MS)) {
            break;
        }
    }
    return true;
}

static bool
run_child(Job *job, GError **error)
{
    job->parent = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        return error_set_errno(error, errno,
                               "cannot start the process that lays huge "
                               "pages for the VM");
    }
    if (pid == 0) {
        lay_child(job);
    }
    int status;
    bool wanted = watch_child(job, pid);
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return error_set_errno(error, errno,
                                   "cannot wait for the process that lays "
                                   "huge pages");
        }
    }
    return wanted ? judge_exit(status, error)
                  : error_set(error, ERROR_CANCELLED,
                              "stopped while huge pages were laid");
}

/* Tells the caller what is. A killed child leaves extents it never came to,
 * which have failed without a reason, and some in the middle of which it was:
 * those become holes, whatever the child had noted. */
static void
lay_collect(const Job *job, CollapseLayResult *result)
{
    const Board *board = job->board;
    const uint8_t *laid = board->laid;
    for (unsigned b = 0; b < job->n; b++) {
        const CollapseLayBlock *block = &job->blocks[b];
        for (uint64_t i = 0; i < whole_extents(block); i++, laid++) {
            bool unfinished = board->busy && board->busy_block == b &&
                              i >= board->busy_first &&
                              i - board->busy_first < board->busy_count;
            if (unfinished) {
                lay_punch(block, i);
            }
            block->laid[i] = *laid && !unfinished;
            result->laid_extents += block->laid[i];
            result->failed_extents += block->wanted[i] && !block->laid[i];
        }
    }
    result->charged_to_target = job->board->joined;
    result->errors = job->board->errors;
}

bool
collapse_lay(const CollapseLayBlock *blocks, unsigned n, pid_t target,
             CollapseLayResult *result, GError **error)
{
    return collapse_lay_watched(blocks, n, target, NULL, NULL, result, error);
}

bool
collapse_lay_watched(const CollapseLayBlock *blocks, unsigned n, pid_t target,
                     CollapseLayWatch watch, gpointer data,
                     CollapseLayResult *result, GError **error)
{
    uint64_t start_ns = fd_now_ns();
    size_t board_bytes = sizeof(Board);
    *result = (CollapseLayResult){0};
    for (unsigned i = 0; i < n; i++) {
        if (!check_block(&blocks[i], error)) {
            return false;
        }
        board_bytes += whole_extents(&blocks[i]);
    }
    g_autoptr(GError) no_cgroup = NULL;
    autofd procs = collapse_cgroup_open(target, &no_cgroup);
    Job job = {.blocks = blocks, .n = n, .cgroup_procs = procs,
               .watch = watch, .watch_data = data};
    /* Populated: the child must need no page of QEMU's cgroup for it. */
    job.board = mmap(NULL, board_bytes, PROT_READ | PROT_WRITE,
                     MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (job.board == MAP_FAILED) {
        return error_set_errno(error, errno, "mmap of %zu bytes", board_bytes);
    }
    bool ok = run_child(&job, error);
    lay_collect(&job, result);
    if (ok && !job.board->joined) {
        warn_not_charged(target, no_cgroup ? no_cgroup->message
                                           : g_strerror(job.board->join_errno));
    }
    munmap(job.board, board_bytes);
    result->ns = fd_now_ns() - start_ns;
    return ok;
}
