/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Other processes that map the guest's RAM. The guest is this process, the
 * other one a child that has the mapping from it: how its sweep ends is how the
 * run ends, and one that cannot be swept says why.
 */
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "migrate/sweep/migrate-mappers.h"

#define EXTENTS 3
#define S UINT64_C(1000000000)

typedef struct {
    MigrateGuest guest;
    CollapseJobOptions pace;
    CollapseProgress progress;
    CollapseResult result;
    uint8_t *ram;
    int file, stop;
    pid_t mapper;
} Scene;

static void
look(MigrateGuest *guest, const uint8_t *ram)
{
    const Range range = {.start = (uintptr_t)ram,
                         .bytes = EXTENTS * EXTENT_BYTES};
    g_autoptr(GArray) ranges = g_array_new(false, false, sizeof range);
    g_autoptr(GArray) mappings = proc_maps_read(getpid(), true, NULL);
    CollapseFacts facts;
    g_array_append_val(ranges, range);
    collapse_area_facts(getpid(), &facts);
    guest->pid = getpid();
    guest->areas = collapse_area_list(mappings, ranges, &facts);
    guest->extents = collapse_extents_look(getpid(), guest->areas, NULL);
    g_assert_nonnull(guest->extents);
    g_assert_cmpuint(guest->extents->len, ==, EXTENTS);
    for (guint i = 0; i < EXTENTS; i++) {
        g_array_index(guest->extents, CollapseExtent, i).outcome =
            COLLAPSE_OUTCOME_DONE;
    }
}

static uint8_t *
map(int file)
{
    uint8_t *room = mmap(NULL, (EXTENTS + 1) * EXTENT_BYTES, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    g_assert_true(room != MAP_FAILED);
    uintptr_t first = range_units((uintptr_t)room, EXTENT_BYTES) * EXTENT_BYTES;
    uint8_t *ram =
        mmap((void *)first, EXTENTS * EXTENT_BYTES, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_FIXED, file, 0);
    g_assert_true(ram != MAP_FAILED);
    memset(ram, 7, EXTENTS * EXTENT_BYTES);
    return ram;
}

/* Looks at all of it, as a back end that has worked does: where a process has
 * no page tables at all, an older kernel installs nothing (docs/kernel.md). */
static pid_t
start_mapper(const uint8_t *ram)
{
    int ready[2];
    char word;
    g_assert_no_errno(pipe(ready));
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        uint8_t sum = 0;
        for (uint64_t at = 0; at < EXTENTS * EXTENT_BYTES; at += PAGE_BYTES) {
            sum = (uint8_t)(sum + *(const volatile uint8_t *)(ram + at));
        }
        _exit(write(ready[1], &sum, 1) == 1 ? pause() : 1);
    }
    close(ready[1]);
    g_assert_cmpint(read(ready[0], &word, 1), ==, 1);
    close(ready[0]);
    return pid;
}

static void
begin(Scene *s)
{
    *s = (Scene){.result = {.end = COLLAPSE_END_COMPLETED,
                            .calls = 5,
                            .elapsed_ns = 2 * S}};
    s->file = memfd_create("ram", MFD_CLOEXEC);
    g_assert_cmpint(s->file, >=, 0);
    g_assert_no_errno(ftruncate(s->file, EXTENTS * (off_t)EXTENT_BYTES));
    s->stop = eventfd(0, EFD_CLOEXEC);
    s->ram = map(s->file);
    collapse_job_options_init(&s->pace, true);
    look(&s->guest, s->ram);
    s->mapper = start_mapper(s->ram);
}

static void
end(Scene *s)
{
    g_assert_no_errno(kill(s->mapper, SIGKILL));
    g_assert_cmpint(waitpid(s->mapper, NULL, 0), ==, s->mapper);
    g_assert_no_errno(munmap(s->ram, EXTENTS * EXTENT_BYTES));
    fd_clear(&s->file);
    fd_clear(&s->stop);
    g_array_unref(s->guest.areas);
    g_array_unref(s->guest.extents);
}

static GArray *
sweep(Scene *s)
{
    const MigrateMappers mappers = {.guest = &s->guest,
                                    .pace = &s->pace,
                                    .stop = s->stop,
                                    .progress = &s->progress};
    return migrate_mappers_sweep(&mappers, &s->result);
}

/* False if the case has been marked and has to return. */
static bool
can_be(void)
{
    g_autoptr(GError) error = NULL;
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pause();
        _exit(0);
    }
    g_autoptr(CollapseTarget) target = collapse_target_open(pid, &error);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    if (!target && g_strcmp0(g_getenv("TESTS_MUST_RUN"), "1") != 0) {
        g_test_skip(error->message);
        return false;
    }
    g_assert_no_error(error);
    return true;
}

static const MigrateSweepMapper *
only_one(const Scene *s, GArray *mappers)
{
    g_assert_cmpuint(mappers->len, ==, 1);
    const MigrateSweepMapper *m =
        &g_array_index(mappers, MigrateSweepMapper, 0);
    g_assert_cmpint(m->pid, ==, s->mapper);
    g_assert_cmpstr(m->error, ==, NULL);
    g_assert_cmpuint(m->extents, ==, EXTENTS);
    return m;
}

static void
swept_with_the_guest(void)
{
    CollapseFacts facts;
    collapse_area_facts(getpid(), &facts);
    if (!can_be()) {
        return;
    }
    Scene s;
    begin(&s);
    g_autoptr(GArray) mappers = sweep(&s);
    const MigrateSweepMapper *m = only_one(&s, mappers);
    g_assert_cmpint(s.result.end, ==, COLLAPSE_END_COMPLETED);
    g_assert_cmpuint(s.result.elapsed_ns, >, 2 * S);
    if (!facts.shmem_denied) {
        g_assert_cmpuint(m->huge, ==, EXTENTS);
        g_assert_cmpuint(s.result.calls, >, 5);
        g_assert_cmpuint(s.progress.done, ==, EXTENTS);
    }
    end(&s);
}

static void
stopped(void)
{
    if (!can_be()) {
        return;
    }
    Scene s;
    begin(&s);
    uint64_t one = 1;
    g_assert_cmpint(write(s.stop, &one, sizeof one), ==, sizeof one);
    g_autoptr(GArray) mappers = sweep(&s);
    only_one(&s, mappers);
    g_assert_cmpint(s.result.end, ==, COLLAPSE_END_STOPPED);
    g_assert_cmpuint(s.result.calls, ==, 5);
    end(&s);
}

/* Two seconds are gone, and there were no more. */
static void
out_of_time(void)
{
    if (!can_be()) {
        return;
    }
    Scene s;
    begin(&s);
    s.pace.max_ns = 2 * S;
    g_autoptr(GArray) mappers = sweep(&s);
    only_one(&s, mappers);
    g_assert_cmpint(s.result.end, ==, COLLAPSE_END_MAX_TIME);
    g_assert_cmpuint(s.result.calls, ==, 5);
    end(&s);
}

/* What an ordinary user may look at but not sweep. The mapping is this
 * process's too, which root's case hides from it. */
static bool
says_why(void)
{
    Scene s;
    if (geteuid() == 0 && setresuid(65534, 65534, 65534) != 0) {
        return false;
    }
    prctl(PR_SET_DUMPABLE, 1);
    begin(&s);
    g_autoptr(GArray) mappers = sweep(&s);
    bool ok = mappers->len > 0 && s.result.end == COLLAPSE_END_COMPLETED;
    for (guint i = 0; i < mappers->len; i++) {
        const char *error =
            g_array_index(mappers, MigrateSweepMapper, i).error;
        ok = ok && error && strstr(error, "CAP_SYS_NICE");
    }
    end(&s);
    return ok;
}

static void
not_allowed(void)
{
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        _exit(says_why() ? 0 : 1);
    }
    g_assert_cmpint(waitpid(pid, &status, 0), ==, pid);
    g_assert_cmpint(status, ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/migrate-mappers/swept", swept_with_the_guest);
    g_test_add_func("/migrate-mappers/stopped", stopped);
    g_test_add_func("/migrate-mappers/out-of-time", out_of_time);
    g_test_add_func("/migrate-mappers/not-allowed", not_allowed);
    return g_test_run();
}
