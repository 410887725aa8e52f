/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The walls around a helper, seen from inside: a child builds them as 'send'
 * and 'receive' do, and then tries what an attacker in its place would try,
 * from the thread that built them and from one that was there before. Each
 * attempt works in the same child before, so that a refusal means the wall.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "migrate/confine/migrate-confine.h"

static pid_t victim; /* a foreign process: our parent's other child */

/* Each returns 0 if it was let do it, else errno. */
static int
done(long result)
{
    return result < 0 ? errno : 0;
}

static int
open_path(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);
    int rc = done(fd);
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

static int
read_shadow(void)
{
    return open_path("/etc/passwd", O_RDONLY);
}

static int
see_processes(void)
{
    return open_path("/proc/1/status", O_RDONLY);
}

static int
leave_by_dots(void)
{
    return open_path("../../../../../../etc/passwd", O_RDONLY);
}

static int
write_file(void)
{
    int rc = open_path("/tmp/postlude-probe", O_WRONLY | O_CREAT);
    unlink("/tmp/postlude-probe");
    return rc;
}

static int
signal_other(void)
{
    return done(kill(victim, 0));
}

static int
trace_other(void)
{
    int rc = done(ptrace(PTRACE_SEIZE, victim, NULL, NULL));
    if (rc == 0) {
        ptrace(PTRACE_INTERRUPT, victim, NULL, NULL);
        waitpid(victim, NULL, __WALL);
        ptrace(PTRACE_DETACH, victim, NULL, NULL);
    }
    return rc;
}

static int
read_other(void)
{
    static char here[8];
    struct iovec local = {here, 1}, remote = {(void *)(uintptr_t)&victim, 1};
    return done(process_vm_readv(victim, &local, 1, &remote, 1, 0));
}

static int
hold_other(void)
{
    long fd = syscall(SYS_pidfd_open, victim, 0);
    int rc = done(fd);
    if (fd >= 0) {
        close((int)fd);
    }
    return rc;
}

static int
start_process(void)
{
    pid_t child = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
    int rc = done(child);
    if (child == 0) {
        _exit(0);
    }
    if (child > 0) {
        waitpid(child, NULL, 0);
    }
    return rc;
}

/* A program that is not there: ENOENT is what one gets who may. */
static int
start_program(void)
{
    char *const none[] = {NULL};
    int rc = done(execve("/nowhere/at/all", none, none));
    return rc == ENOENT ? 0 : rc;
}

static int
make_socket(int family, int type)
{
    int fd = socket(family, type | SOCK_CLOEXEC, 0);
    int rc = done(fd);
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

/* On a port that the kernel chooses, so that nothing else can be in the way. */
static int
listen_anew(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = done(listen(fd, 1));
    close(fd);
    return rc;
}

static int
make_netlink(void)
{
    return make_socket(AF_NETLINK, SOCK_RAW);
}

static int
make_packet(void)
{
    return make_socket(AF_PACKET, SOCK_RAW);
}

static int
become_root(void)
{
    return done(syscall(SYS_setresuid, 0, 0, 0));
}

static int
mount_something(void)
{
    int rc = done(mount("none", "/tmp", "tmpfs", 0, NULL));
    if (rc == 0) {
        umount("/tmp");
    }
    return rc;
}

/* An empty list of flags: nothing is left behind by who may. */
static int
leave_namespace(void)
{
    return done(syscall(SYS_unshare, CLONE_NEWUTS));
}

static int
change_root(void)
{
    return done(chroot("/"));
}

static int
watch_faults(void)
{
    long fd = syscall(SYS_userfaultfd, O_CLOEXEC);
    int rc = done(fd);
    if (fd >= 0) {
        close((int)fd);
    }
    return rc;
}

static int
change_mode(void)
{
    return done(syscall(SYS_fchmodat, AT_FDCWD, "/run/postlude", 0700));
}

/* To write into another's terminal (TIOCSTI). */
static int
push_into_terminal(void)
{
    int rc = done(ioctl(STDIN_FILENO, TIOCSTI, NULL));
    return rc == EPERM ? EPERM : 0;
}

static const struct {
    const char *what;
    int (*try)(void);
} probes[] = {
    {"read /etc/passwd", read_shadow},
    {"see other processes", see_processes},
    {"leave by ..", leave_by_dots},
    {"write a file", write_file},
    {"signal a foreign process", signal_other},
    {"trace a foreign process", trace_other},
    {"read a foreign process", read_other},
    {"hold a foreign process", hold_other},
    {"start a process", start_process},
    {"start a program", start_program},
    {"open a netlink socket", make_netlink},
    {"open a packet socket", make_packet},
    {"listen on a socket", listen_anew},
    {"become root", become_root},
    {"mount", mount_something},
    {"leave a namespace", leave_namespace},
    {"change the root", change_root},
    {"create a userfaultfd", watch_faults},
    {"change a mode", change_mode},
    {"push into a terminal", push_into_terminal},
};

/* How many of the probes did not end as wanted. */
static int
probe_all(bool refused)
{
    int bad = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(probes); i++) {
        int rc = probes[i].try();
        if ((rc != 0) != refused) {
            g_printerr("# %s: %s\n", probes[i].what,
                       rc ? g_strerror(rc) : "let do it");
            bad++;
        }
    }
    return bad;
}

typedef struct {
    pthread_barrier_t before;
    int bad;
} Old;

/* A thread that was there before: GLib's own is. */
static void *
old_thread(void *data)
{
    Old *old = data;
    pthread_barrier_wait(&old->before);
    old->bad = probe_all(true);
    return NULL;
}

/* In a child, because there is no way back. Exit status: what went wrong. */
static int
confine_and_probe(bool sweeps)
{
    static const char *const paths[] = {"/run/postlude", "/dev/null", NULL};
    const MigrateConfinePlan plan = {
        .paths = paths, .sweeps = sweeps, .required = true};
    const MigrateOptions options = {.require_confine = true};
    g_autoptr(GError) error = NULL;
    Old old = {0};
    pthread_t thread;
    if (!migrate_confine_begin(&options, &error)) {
        g_printerr("# %s\n", error->message);
        return 100;
    }
    int bad = probe_all(false);
    pthread_barrier_init(&old.before, NULL, 2);
    pthread_create(&thread, NULL, old_thread, &old);
    if (!migrate_confine(&plan, &error)) {
        g_printerr("# %s\n", error->message);
        _exit(100);
    }
    bad += probe_all(true);
    pthread_barrier_wait(&old.before);
    pthread_join(thread, NULL);
    return bad + old.bad;
}

static pid_t
start_victim(void)
{
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            pause();
        }
    }
    return pid;
}

static int
run_child(int (*body)(void))
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        _exit(body());
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 200 + WTERMSIG(status);
}

static int
as_destination(void)
{
    return confine_and_probe(true);
}

static int
as_source(void)
{
    return confine_and_probe(false);
}

static void
destination(void)
{
    g_assert_cmpint(run_child(as_destination), ==, 0);
}

static void
source(void)
{
    g_assert_cmpint(run_child(as_source), ==, 0);
}

static void *
idle(void *unused)
{
    return NULL;
}

/* What a helper still does must still be let do: its own files, sockets,
 * threads and their priority, its memory, itself. */
static int
work(void)
{
    static const char *const paths[] = {"/run/postlude", "/dev/null", NULL};
    const MigrateConfinePlan plan = {.paths = paths, .required = true};
    const MigrateOptions options = {.require_confine = true};
    const struct sched_param urgent = {.sched_priority = 1};
    g_autofree char *file =
        g_strdup_printf("/run/postlude/probe-%d", (int)getpid());
    g_autofree char *next = g_strconcat(file, ".next", NULL);
    pthread_t thread;
    g_autoptr(GError) error = NULL;
    if (!migrate_confine_begin(&options, &error) ||
        !migrate_confine(&plan, &error)) {
        g_printerr("# %s\n", error->message);
        return 100;
    }
    int bad = 0;
    bad += open_path(file, O_WRONLY | O_CREAT | O_EXCL) != 0;
    bad += rename(file, next) != 0;
    bad += unlink(next) != 0;
    bad += open_path("/dev/null", O_RDWR) != 0;
    bad += make_socket(AF_UNIX, SOCK_STREAM) != 0;
    bad += make_socket(AF_INET, SOCK_STREAM) != 0;
    bad += make_socket(AF_INET6, SOCK_STREAM) != 0;
    bad += pthread_create(&thread, NULL, idle, NULL) != 0;
    bad += pthread_join(thread, NULL) != 0;
    bad += sched_setscheduler(0, SCHED_RR | SCHED_RESET_ON_FORK, &urgent) != 0;
    bad += mmap(NULL, 1 << 21, PROT_READ | PROT_WRITE,
                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
    bad += raise(0) != 0;
    return bad;
}

static void
works(void)
{
    g_assert_cmpint(run_child(work), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (geteuid() != 0) {
        g_print("1..0 # SKIP needs root\n");
        return g_getenv("TESTS_MUST_RUN") ? 1 : 77;
    }
    mkdir("/run/postlude", 0700);
    victim = start_victim();
    g_test_add_func("/a-confined-process-is-refused/destination", destination);
    g_test_add_func("/a-confined-process-is-refused/source", source);
    g_test_add_func("/a-confined-process-is-refused/but-works", works);
    int rc = g_test_run();
    kill(victim, SIGKILL);
    waitpid(victim, NULL, 0);
    return rc;
}
