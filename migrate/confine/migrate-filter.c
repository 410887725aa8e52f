/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The seccomp filter: see migrate-filter.h.
 *
 * What is left out is the point: no program is started (execve), no process
 * (clone without CLONE_THREAD), none is looked into or signalled (ptrace,
 * process_vm_*, pidfd_*, kill of others), nothing is mounted or unshared,
 * nobody becomes anybody else (set*id, capset), no other kind of socket
 * (netlink, packet), nothing listens anew, no second userfaultfd, io_uring,
 * bpf, key or kernel module.
 */
#include "migrate/confine/migrate-filter.h"

#include "base/error.h"

#ifdef HAVE_CONFINE

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define UFFD_IOCTLS 0xaa00 /* _IOC_TYPE of UFFDIO, uapi/linux/userfaultfd.h */
#define IOCTL_TYPE 0xff00
#define ADVICE_COLLAPSE 25 /* MADV_COLLAPSE; Debian 12 does not know it */

/* Names the kernel or libseccomp does not know are skipped, so that calls of
 * other architectures and later C libraries may stand here. */
static const char *const always[] = {
    /* descriptors that are open */
    "read", "readv", "pread64", "preadv", "preadv2", "write", "writev",
    "pwrite64", "pwritev", "pwritev2", "sendfile", "splice", "lseek", "close",
    "close_range", "fstat", "newfstatat", "stat", "lstat", "statx", "fstatfs",
    "statfs", "fcntl", "dup", "dup2", "dup3", "flock", "fallocate",
    "ftruncate", "fsync", "fdatasync", "fadvise64", "poll", "ppoll", "select",
    "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
    "epoll_pwait2", "eventfd2", "pipe", "pipe2", "timerfd_create",
    "timerfd_settime", "timerfd_gettime",
    /* files, of which there are hardly any */
    "open", "openat", "openat2", "unlink", "unlinkat", "rename", "renameat",
    "renameat2", "getdents64", "readlink", "readlinkat", "access",
    "faccessat", "faccessat2", "getcwd", "umask",
    /* sockets */
    "connect", "accept", "accept4", "shutdown", "getsockopt", "setsockopt",
    "getsockname", "getpeername", "sendto", "recvfrom", "sendmsg", "recvmsg",
    "sendmmsg", "recvmmsg",
    /* our own memory */
    "mmap", "munmap", "mprotect", "mremap", "madvise", "brk", "msync",
    "mincore", "mlock", "munlock", "membarrier",
    /* threads and signals to ourselves */
    "futex", "futex_waitv", "set_robust_list", "get_robust_list", "rseq",
    "set_tid_address", "exit", "exit_group", "rt_sigaction",
    "rt_sigprocmask", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait",
    "rt_sigpending", "sigaltstack", "restart_syscall", "wait4",
    /* time, and who we are */
    "nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres",
    "gettimeofday", "time", "getrandom", "getpid", "gettid", "getppid",
    "getpgid", "getpgrp", "getsid", "getuid", "geteuid", "getgid", "getegid",
    "getresuid", "getresgid", "getgroups", "uname", "sysinfo", "getrusage",
    "times", "getcpu", "sched_yield", "sched_getaffinity", "sched_getparam",
    "sched_getscheduler", "sched_getattr", "sched_get_priority_max",
    "sched_get_priority_min", "getpriority", "getrlimit", "capget",
};

/* Calls of which only some arguments are ours. The priority of a thread is
 * set by the thread itself (0), see migrate-priority.c. */
static const struct {
    const char *name;
    struct scmp_arg_cmp arg;
} sometimes[] = {
    {"ioctl", {1, SCMP_CMP_MASKED_EQ, IOCTL_TYPE, UFFD_IOCTLS}},
    {"ioctl", {1, SCMP_CMP_EQ, FIONREAD}},
    {"ioctl", {1, SCMP_CMP_EQ, FIONBIO}},
    {"ioctl", {1, SCMP_CMP_EQ, TCGETS}},
    {"ioctl", {1, SCMP_CMP_EQ, TIOCGWINSZ}},
    {"ioctl", {1, SCMP_CMP_EQ, TIOCGPGRP}},
    {"socket", {0, SCMP_CMP_EQ, AF_UNIX}},
    {"socket", {0, SCMP_CMP_EQ, AF_INET}},
    {"socket", {0, SCMP_CMP_EQ, AF_INET6}},
    {"socketpair", {0, SCMP_CMP_EQ, AF_UNIX}},
    {"clone", {0, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD}},
    {"prctl", {0, SCMP_CMP_EQ, PR_SET_NAME}},
    {"prctl", {0, SCMP_CMP_EQ, PR_GET_NAME}},
    {"prctl", {0, SCMP_CMP_EQ, PR_SET_VMA}},
    {"prlimit64", {0, SCMP_CMP_EQ, 0}},
    {"sched_setscheduler", {0, SCMP_CMP_EQ, 0}},
    {"setpriority", {1, SCMP_CMP_EQ, 0}},
    {"process_madvise", {3, SCMP_CMP_EQ, ADVICE_COLLAPSE}},
};

static int
filter_add(scmp_filter_ctx filter, uint32_t action, const char *name,
           const struct scmp_arg_cmp *arg)
{
    int number = seccomp_syscall_resolve_name(name);
    return number < 0 ? 0
                      : seccomp_rule_add_array(filter, action, number,
                                               arg ? 1 : 0, arg);
}

static int
add_all(scmp_filter_ctx filter)
{
    const struct scmp_arg_cmp self = {0, SCMP_CMP_EQ, (uint64_t)getpid()};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < G_N_ELEMENTS(always); i++) {
        rc = filter_add(filter, SCMP_ACT_ALLOW, always[i], NULL);
    }
    for (size_t i = 0; rc == 0 && i < G_N_ELEMENTS(sometimes); i++) {
        rc = filter_add(filter, SCMP_ACT_ALLOW, sometimes[i].name,
                        &sometimes[i].arg);
    }
    /* abort() and raise() */
    rc = rc ? rc : filter_add(filter, SCMP_ACT_ALLOW, "kill", &self);
    rc = rc ? rc : filter_add(filter, SCMP_ACT_ALLOW, "tgkill", &self);
    /* Its flags lie in memory, where a filter cannot look. "Not known" makes
     * the C library take clone(). */
    return rc ? rc : filter_add(filter, SCMP_ACT_ERRNO(ENOSYS), "clone3", NULL);
}

bool
migrate_filter_load(GError **error)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    int rc = filter ? 0 : -ENOMEM;
    /* Calls in the way of another architecture (int 0x80) are refused too; by
     * default they would kill. */
    rc = rc ? rc : seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH,
                                    SCMP_ACT_ERRNO(EPERM));
    rc = rc ? rc : seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    rc = rc ? rc : seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
    rc = rc ? rc : add_all(filter);
    rc = rc ? rc : seccomp_load(filter);
    if (filter) {
        seccomp_release(filter);
    }
    return rc == 0 || error_set_errno(error, -rc, "load a seccomp filter");
}

#else

bool
migrate_filter_load(GError **error)
{
    return error_set(error, ERROR_UNSUPPORTED,
                     "this postlude was built without libseccomp and libcap");
}

#endif
