/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * process_madvise(MADV_COLLAPSE) on one extent of another process: see
 * collapse-sweep.h. Any thread.
 */
#include "collapse/collapse-sweep.h"

#include <errno.h>
#include <stdint.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/range.h"
#include "collapse/collapse-compat.h"

struct CollapseTarget {
    int pidfd; /* owned */
};

static int
sweep_advise(int pidfd, const struct iovec *ranges, size_t n)
{
    long result =
        syscall(SYS_process_madvise, pidfd, ranges, n, MADV_COLLAPSE, 0);
    return result < 0 ? errno : 0;
}

static bool
explain_open(pid_t pid, int errnum, GError **error)
{
    switch (errnum) {
    case EPERM:
    case EACCES:
        return error_set(error, ERROR_UNSUPPORTED,
                         "may not collapse the memory of process %d: this "
                         "needs CAP_SYS_NICE and ptrace access to it; run as "
                         "root", (int)pid);
    case EINVAL:
    case ENOSYS:
        return error_set(error, ERROR_UNSUPPORTED,
                         "this kernel cannot collapse the memory of another "
                         "process (MADV_COLLAPSE): it needs Linux 6.1 or "
                         "newer with CONFIG_TRANSPARENT_HUGEPAGE");
    default:
        return error_set_errno(error, errnum,
                               "cannot collapse the memory of process %d",
                               (int)pid);
    }
}

CollapseTarget *
collapse_target_open(pid_t pid, GError **error)
{
    autofd pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        explain_open(pid, errno, error);
        return NULL;
    }
    /* An empty list is checked for everything but its ranges: who we are, who
     * the target is, whether the kernel knows the advice. Better said now than
     * for each of 30,000 extents. */
    int errnum = sweep_advise(pidfd, NULL, 0);
    if (errnum) {
        explain_open(pid, errnum, error);
        return NULL;
    }
    CollapseTarget *target = g_new0(CollapseTarget, 1);
    target->pidfd = fd_steal(&pidfd);
    return target;
}

void
collapse_target_close(CollapseTarget *target)
{
    if (target) {
        fd_clear(&target->pidfd);
        g_free(target);
    }
}

/* Linux 6.1 makes the huge page of a file and then says EINVAL where the target
 * has mapped none of it (retract_page_tables: SCAN_PMD_NONE); asked again it
 * maps it. All other reasons for EINVAL are the same the second time. */
int
collapse_target_range(CollapseTarget *target, uint64_t hva, uint64_t n)
{
    struct iovec range = {.iov_base = (void *)(uintptr_t)hva,
                          .iov_len = n * EXTENT_BYTES};
    int errnum = sweep_advise(target->pidfd, &range, 1);
    return errnum == EINVAL ? sweep_advise(target->pidfd, &range, 1) : errnum;
}

int
collapse_target_extent(CollapseTarget *target, uint64_t hva)
{
    return collapse_target_range(target, hva, 1);
}

/* The last kind takes whatever finds no place, so that the total stays true:
 * MADV_COLLAPSE has four errno values, sixteen different ones are a riddle
 * anyway. */
static void
add_many(CollapseErrors *errors, int errnum, uint64_t count)
{
    const unsigned last = G_N_ELEMENTS(errors->kinds) - 1;
    unsigned i = 0;
    while (i < last && errors->kinds[i].count &&
           errors->kinds[i].errnum != errnum) {
        i++;
    }
    if (errors->kinds[i].count == 0) {
        errors->kinds[i].errnum = errnum;
    }
    errors->kinds[i].count += count;
}

void
collapse_errors_add(CollapseErrors *errors, int errnum)
{
    add_many(errors, errnum, 1);
}

void
collapse_errors_merge(CollapseErrors *into, const CollapseErrors *from)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(from->kinds); i++) {
        if (from->kinds[i].count) {
            add_many(into, from->kinds[i].errnum, from->kinds[i].count);
        }
    }
}

uint64_t
collapse_errors_total(const CollapseErrors *errors)
{
    uint64_t total = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(errors->kinds); i++) {
        total += errors->kinds[i].count;
    }
    return total;
}
