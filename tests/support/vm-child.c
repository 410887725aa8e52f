/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The list of what must not outlive the test is a fixed array of plain values,
 * because it is walked from signal handlers: a failed g_assert ends in
 * SIGABRT, where neither atexit() nor malloc() can be relied on.
 */
#include "tests/support/vm-child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/proc-life.h"

#define MAX_CHILDREN 64
#define MAX_LIVES 512
#define MAX_PATHS 64
#define MAX_PATH 256

/* A process whose helpers keep files by its number and start: for longer than
 * it lives. */
typedef struct {
    volatile pid_t pid; /* 0: free */
    uint64_t started;
} Life;

struct VmChild {
    pid_t pid;
    int slot;
    Life *life; /* or NULL */
    bool ended;
    int status;
};

static volatile pid_t children[MAX_CHILDREN];
static Life lives[MAX_LIVES];
static char paths[MAX_PATHS][MAX_PATH];
static pid_t owner; /* a fork of the test must not clean up after it */
static bool keep;
static bool adopting;

/* A directory of a cgroup is removed as a whole and not file by file; it counts
 * a process for a moment after it was reaped. */
static bool
remove_as_cgroup(const char *path)
{
    const struct timespec moment = {.tv_nsec = 10000000};
    for (int i = 0; i < 300 && rmdir(path) < 0; i++) {
        if (errno != EBUSY) {
            return false;
        }
        nanosleep(&moment, NULL);
    }
    return true;
}

/* What a child has started may die a moment after it, and write until then. */
static void
remove_path(const char *path)
{
    const struct timespec pause = {.tv_nsec = 50000000};
    for (int tries = 0; tries < 40 && access(path, F_OK) == 0; tries++) {
        if (tries > 0) {
            nanosleep(&pause, NULL);
        }
        pid_t pid = fork();
        if (pid == 0) {
            execl("/bin/rm", "rm", "-rf", "--", path, (char *)NULL);
            _exit(127);
        }
        waitpid(pid, NULL, 0);
    }
}

static bool
is_known(pid_t pid)
{
    for (int i = 0; i < MAX_CHILDREN; i++) {
        if (children[i] == pid) {
            return true;
        }
    }
    return false;
}

/* Our children that nobody here started, as the kernel lists them (numbers and
 * blanks); those that have ended are reaped. Async-signal-safe. */
static unsigned
find_orphans(pid_t *orphans, unsigned most)
{
    static char text[8192];
    char path[64];
    unsigned n = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) {
        close(fd);
    }
    text[MAX(got, 0)] = '\0';
    for (char *at = text; *at && n < most;) {
        pid_t pid = (pid_t)strtol(at, &at, 10);
        at += strspn(at, " ");
        if (pid > 0 && !is_known(pid) && waitpid(pid, NULL, WNOHANG) == 0) {
            orphans[n++] = pid;
        }
    }
    return n;
}

/* What a helper keeps for its successor outlives it on purpose. When its QEMU
 * was a child of the test and is gone, nobody will ever take over. Names are
 * those of migrate/takeover/migrate-archive.h and migrate-claim.h. */
static void
remove_run_files(Life *life)
{
    static const char *const roles[] = {"send", "receive"};
    static const char *const files[] = {"journal", "journal.next", "pages",
                                        "keeper"};
    char path[96];
    for (size_t r = 0; life->pid > 0 && r < G_N_ELEMENTS(roles); r++) {
        for (size_t f = 0; f < G_N_ELEMENTS(files); f++) {
            snprintf(path, sizeof path, "/run/postlude/%s-%d-%llu.%s",
                     roles[r], (int)life->pid,
                     (unsigned long long)life->started, files[f]);
            unlink(path);
        }
        snprintf(path, sizeof path, "/run/postlude/%s-%d.sock", roles[r],
                 (int)life->pid);
        unlink(path);
    }
    snprintf(path, sizeof path, "/run/postlude/qemu-%d-%llu.lock",
             (int)life->pid, (unsigned long long)life->started);
    unlink(path);
    life->pid = 0;
}

/* Async-signal-safe. "postlude VERB ..."; any process for NULL. */
static bool
is_verb(pid_t pid, const char *verb)
{
    char path[64], text[512];
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    int fd = verb ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    ssize_t got = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0) {
        close(fd);
    }
    text[MAX(got, 0)] = '\0';
    const char *second = text + strlen(text) + 1;
    return !verb || (second < text + got && strcmp(second, verb) == 0);
}

unsigned
vm_child_kill_orphans(const char *verb)
{
    pid_t orphans[MAX_CHILDREN];
    unsigned n = find_orphans(orphans, MAX_CHILDREN), killed = 0;
    for (unsigned i = 0; i < n; i++) {
        if (is_verb(orphans[i], verb)) {
            kill(orphans[i], SIGKILL);
            waitpid(orphans[i], NULL, 0);
            killed++;
        }
    }
    return killed;
}

/* Async-signal-safe: kill, waitpid, access, rmdir, nanosleep, fork, execv; and
 * snprintf() of numbers is, in glibc. */
static void
clean_up(void)
{
    if (getpid() != owner) {
        return;
    }
    for (int i = 0; i < MAX_CHILDREN; i++) {
        if (children[i] > 0) {
            kill(children[i], SIGKILL);
            waitpid(children[i], NULL, 0);
            children[i] = 0;
        }
    }
    if (adopting) {
        vm_child_kill_orphans(NULL);
    }
    for (int i = 0; i < MAX_LIVES; i++) {
        remove_run_files(&lives[i]);
    }
    for (int i = 0; i < MAX_PATHS && !keep; i++) {
        if (paths[i][0] && !remove_as_cgroup(paths[i])) {
            remove_path(paths[i]);
        }
    }
}

static void
on_signal(int signal)
{
    clean_up();
    /* SA_RESETHAND: the second time it does what it always does. */
    raise(signal);
}

static void
prepare(void)
{
    static const int signals[] = {SIGABRT, SIGTERM, SIGINT, SIGHUP,
                                  SIGSEGV, SIGTRAP, SIGBUS};
    if (owner == getpid()) {
        return;
    }
    /* In a fork of a test: what its parent has started is not its own. */
    for (int i = 0; i < MAX_CHILDREN; i++) {
        children[i] = 0;
    }
    for (int i = 0; i < MAX_LIVES; i++) {
        lives[i].pid = 0;
    }
    memset(paths, 0, sizeof(paths));
    owner = getpid();
    keep = g_getenv("POSTLUDE_TEST_KEEP") != NULL;
    atexit(clean_up);
    for (size_t i = 0; i < G_N_ELEMENTS(signals); i++) {
        struct sigaction action = {.sa_handler = on_signal,
                                   .sa_flags = SA_RESETHAND | SA_NODEFER};
        struct sigaction old;
        /* A sanitizer that wants to report a crash was here before. */
        if (sigaction(signals[i], NULL, &old) == 0 &&
            (old.sa_handler == SIG_DFL || old.sa_handler == on_signal)) {
            sigaction(signals[i], &action, NULL);
        }
    }
}

static int
open_output(const char *path)
{
    return path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)
                : open("/dev/null", O_WRONLY | O_CLOEXEC);
}

/* Says what failed on the child's stderr and ends it. */
static void G_GNUC_NORETURN
child_fail(const char *what)
{
    dprintf(STDERR_FILENO, "%s: %s\n", what, g_strerror(errno));
    _exit(127);
}

static void
child_become(const VmChildOptions *options)
{
    if (options->uid == 0) {
        return;
    }
    gid_t groups[] = {options->extra_gid};
    if (setgroups(options->extra_gid ? 1 : 0, groups) < 0 ||
        setresgid(options->gid, options->gid, options->gid) < 0 ||
        setresuid(options->uid, options->uid, options->uid) < 0) {
        child_fail("cannot change the user");
    }
}

/* In the child. Never returns. */
static void G_GNUC_NORETURN
child_run(const VmChildOptions *options, char **environment, int out, int err,
          pid_t parent)
{
    dup2(err, STDERR_FILENO);
    dup2(out, STDOUT_FILENO);
    int null = open("/dev/null", O_RDONLY);
    dup2(null, STDIN_FILENO);
    if (null > STDERR_FILENO) {
        close(null);
    }
    child_become(options);
    /* After setresuid(), which clears it. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(127);
    }
    execvpe(options->argv[0], (char *const *)options->argv, environment);
    child_fail(options->argv[0]);
}

static char **
merge_environment(const char *const *added)
{
    char **merged = g_get_environ();
    for (; added && *added; added++) {
        const char *equals = strchr(*added, '=');
        g_autofree char *name = g_strndup(*added, (gsize)(equals - *added));
        merged = g_environ_setenv(merged, name, equals + 1, TRUE);
    }
    return merged;
}

static int
free_slot(void)
{
    for (int i = 0; i < MAX_CHILDREN; i++) {
        if (children[i] == 0) {
            return i;
        }
    }
    return -1;
}

/* Whoever is one too many leaves its files to tests/support/left-behind.sh. */
static Life *
note_life(pid_t pid)
{
    for (int i = 0; i < MAX_LIVES; i++) {
        if (lives[i].pid == 0 &&
            proc_life_started(pid, &lives[i].started, NULL)) {
            lives[i].pid = pid;
            return &lives[i];
        }
    }
    return NULL;
}

VmChild *
vm_child_start(const VmChildOptions *options, GError **error)
{
    prepare();
    int slot = free_slot();
    autofd out = open_output(options->stdout_path);
    autofd err = open_output(options->stderr_path);
    if (slot < 0 || out < 0 || err < 0) {
        error_set_errno(error, slot < 0 ? ENOSPC : errno,
                        "cannot prepare to run %s", options->argv[0]);
        return NULL;
    }
    g_auto(GStrv) environment = merge_environment(options->environment);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        error_set_errno(error, errno, "cannot fork for %s", options->argv[0]);
        return NULL;
    }
    if (pid == 0) {
        child_run(options, environment, out, err, parent);
    }
    children[slot] = pid;
    VmChild *child = g_new0(VmChild, 1);
    child->pid = pid;
    child->slot = slot;
    child->life = note_life(pid);
    return child;
}

bool
vm_child_has_ended(VmChild *child, int *status)
{
    if (!child->ended &&
        waitpid(child->pid, &child->status, WNOHANG) == child->pid) {
        child->ended = true;
        children[child->slot] = 0;
    }
    if (child->ended && status) {
        *status = child->status;
    }
    return child->ended;
}

bool
vm_child_wait(VmChild *child, int timeout_ms, int *status)
{
    uint64_t deadline = fd_deadline_ns(timeout_ms);
    while (!vm_child_has_ended(child, status)) {
        if (deadline && fd_now_ns() >= deadline) {
            return false;
        }
        g_usleep(2000);
    }
    return true;
}

void
vm_child_kill(VmChild *child, int signal)
{
    if (!vm_child_has_ended(child, NULL)) {
        kill(child->pid, signal);
    }
}

pid_t
vm_child_pid(const VmChild *child)
{
    return child->pid;
}

void
vm_child_free(VmChild *child)
{
    if (!child) {
        return;
    }
    vm_child_kill(child, SIGKILL);
    vm_child_wait(child, -1, NULL);
    if (child->life) {
        remove_run_files(child->life);
    }
    g_free(child);
}

bool
vm_child_remember(const char *path, GError **error)
{
    prepare();
    for (int i = 0; i < MAX_PATHS && strlen(path) < MAX_PATH; i++) {
        if (!paths[i][0]) {
            g_strlcpy(paths[i], path, MAX_PATH);
            return true;
        }
    }
    return error_set_errno(error, ENOSPC,
                           "cannot remember to remove %s", path);
}

void
vm_child_forget(const char *path)
{
    for (int i = 0; i < MAX_PATHS; i++) {
        if (strcmp(paths[i], path) == 0) {
            paths[i][0] = '\0';
        }
    }
}

void
vm_child_adopt_orphans(void)
{
    prepare();
    adopting = prctl(PR_SET_CHILD_SUBREAPER, 1) == 0;
}

unsigned
vm_child_count_orphans(void)
{
    pid_t orphans[MAX_CHILDREN];
    return find_orphans(orphans, MAX_CHILDREN);
}

char *
vm_child_make_directory(const char *prefix, GError **error)
{
    g_autofree char *path = g_strdup_printf("%s/%s-XXXXXX", g_get_tmp_dir(),
                                            prefix);
    if (!g_mkdtemp_full(path, 0755)) {
        error_set_errno(error, errno, "cannot make a directory %s", path);
        return NULL;
    }
    if (!vm_child_remember(path, error)) {
        rmdir(path);
        return NULL;
    }
    return g_steal_pointer(&path);
}

void
vm_child_remove_directory(const char *path)
{
    vm_child_forget(path);
    if (keep) {
        return;
    }
    /* One level: whoever makes a directory in it removes that. */
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        unlink(file);
    }
    rmdir(path);
}

void
vm_child_remove_tree(const char *path)
{
    vm_child_forget(path);
    if (!keep) {
        remove_path(path);
    }
}
