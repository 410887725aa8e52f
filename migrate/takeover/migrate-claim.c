/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The lock of one QEMU: see migrate-claim.h.
 */
#include "migrate/takeover/migrate-claim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "migrate/core/migrate-rundir.h"

#define PREFIX "qemu-"
#define ENDING ".lock"
#define HOLDER_MAX 64

/* Whoever only looks around holds it for a moment. */
#define BUSY_TRIES 20
#define BUSY_US 10000

struct MigrateClaim {
    char *path;
    int lock;
    pid_t qemu_pid;
    const char *verb; /* a literal */
};

static char *
path_of(pid_t qemu_pid, uint64_t qemu_started)
{
    g_autofree char *directory = migrate_rundir_path();
    return g_strdup_printf("%s/" PREFIX "%d-%" G_GUINT64_FORMAT ENDING,
                           directory, (int)qemu_pid, qemu_started);
}

/* What is in it is for people; it may be empty for a moment, or half. */
static char *
read_holder(const char *path)
{
    char text[HOLDER_MAX + 1] = "";
    autofd fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, HOLDER_MAX);
    if (n <= 0) {
        return NULL;
    }
    text[n] = '\0';
    text[strcspn(text, "\n")] = '\0';
    return g_str_is_ascii(text) && text[0] ? g_strdup(text) : NULL;
}

static bool
is_ours(int lock, const char *path)
{
    struct stat ours, named;
    return fstat(lock, &ours) == 0 && lstat(path, &named) == 0 &&
           ours.st_ino == named.st_ino && ours.st_dev == named.st_dev;
}

/* Locked and still the file of that name: its last owner may have removed it
 * between our open() and our flock(). */
static int
try_lock(const char *path, bool *busy, GError **error)
{
    *busy = false;
    for (;;) {
        autofd fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                         0600);
        if (fd < 0) {
            error_set_errno(error, errno, "open %s", path);
            return -1;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
            *busy = errno == EWOULDBLOCK;
            error_set_errno(error, errno, "lock %s", path);
            return -1;
        }
        if (is_ours(fd, path)) {
            return fd_steal(&fd);
        }
    }
}

static int
lock_with_patience(const char *path, bool *busy, GError **error)
{
    for (int i = 0;; i++) {
        g_autoptr(GError) why = NULL;
        int lock = try_lock(path, busy, &why);
        if (lock < 0 && (!*busy || i == BUSY_TRIES)) {
            g_propagate_error(error, g_steal_pointer(&why));
            return -1;
        }
        if (lock >= 0) {
            return lock;
        }
        g_usleep(BUSY_US);
    }
}

static bool
report_held(const char *path, pid_t qemu_pid, GError **error)
{
    g_autofree char *holder = read_holder(path);
    const char *space = holder ? strchr(holder, ' ') : NULL;
    g_autofree char *who =
        space ? g_strdup_printf("'postlude %.*s' (process %s)",
                                (int)(space - holder), holder, space + 1)
              : g_strdup("another postlude");
    return error_set(error, ERROR_STATE,
                     "QEMU %d is locked by %s: only one command at a time "
                     "may move a guest; wait until that one has ended, or "
                     "end it first ('postlude status' shows what it does)",
                     (int)qemu_pid, who);
}

static void
claim_sign(int lock, const char *verb)
{
    g_autofree char *text = g_strdup_printf("%s %d\n", verb, (int)getpid());
    if (ftruncate(lock, 0) < 0 ||
        pwrite(lock, text, strlen(text), 0) != (ssize_t)strlen(text)) {
        g_debug("cannot write into the lock which process holds QEMU: %s",
                g_strerror(errno));
    }
}

MigrateClaim *
migrate_claim_take(pid_t qemu_pid, uint64_t qemu_started, const char *verb,
                   GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autofree char *directory = migrate_rundir_path();
    g_autofree char *path = path_of(qemu_pid, qemu_started);
    bool busy = false;
    int lock = migrate_rundir_make(directory, &why)
                   ? lock_with_patience(path, &busy, &why)
                   : -1;
    if (lock < 0 && busy) {
        report_held(path, qemu_pid, error);
        return NULL;
    }
    if (lock < 0) {
        error_set(error, ERROR_FAILED,
                  "QEMU %d cannot be locked against a second command, so it "
                  "is left alone: %s",
                  (int)qemu_pid, why->message);
        return NULL;
    }
    claim_sign(lock, verb);
    MigrateClaim *claim = g_new0(MigrateClaim, 1);
    claim->path = g_steal_pointer(&path);
    claim->lock = lock;
    claim->qemu_pid = qemu_pid;
    claim->verb = verb;
    return claim;
}

bool
migrate_claim_renew(MigrateClaim *claim, bool *removed, GError **error)
{
    bool busy = false;
    *removed = !is_ours(claim->lock, claim->path);
    if (!*removed) {
        return true;
    }
    int lock = lock_with_patience(claim->path, &busy, error);
    if (lock < 0) {
        if (busy) {
            g_clear_error(error);
            report_held(claim->path, claim->qemu_pid, error);
        }
        return false;
    }
    claim_sign(lock, claim->verb);
    fd_clear(&claim->lock);
    claim->lock = lock;
    return true;
}

void
migrate_claim_drop(MigrateClaim *claim)
{
    if (is_ours(claim->lock, claim->path)) {
        unlink(claim->path); /* not one that somebody else made since */
    }
    fd_clear(&claim->lock);
    g_free(claim->path);
    g_free(claim);
}

bool
migrate_claim_is_held(pid_t qemu_pid, uint64_t qemu_started, char **holder)
{
    g_autofree char *path = path_of(qemu_pid, qemu_started);
    autofd fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    bool held = fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 &&
                errno == EWOULDBLOCK;
    if (holder) {
        *holder = held ? read_holder(path) : NULL;
    }
    return held;
}

void
migrate_claim_forget_dead(void)
{
    g_autofree char *directory = migrate_rundir_path();
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        bool busy;
        if (!g_str_has_prefix(name, PREFIX) ||
            !g_str_has_suffix(name, ENDING)) {
            continue;
        }
        g_autofree char *path = g_build_filename(directory, name, NULL);
        autofd lock = try_lock(path, &busy, NULL);
        if (lock >= 0) {
            unlink(path);
        }
    }
}

GArray *
migrate_claim_holders(void)
{
    GArray *all = g_array_new(false, true, sizeof(MigrateClaimHolder));
    g_autofree char *directory = migrate_rundir_path();
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        int qemu_pid, pid;
        uint64_t started;
        MigrateClaimHolder one = {0};
        g_autofree char *holder = NULL;
        if (sscanf(name, PREFIX "%d-%" G_GUINT64_FORMAT ENDING, &qemu_pid,
                   &started) == 2 &&
            migrate_claim_is_held(qemu_pid, started, &holder) && holder &&
            sscanf(holder, "%15s %d", one.verb, &pid) == 2) {
            one.pid = pid;
            one.qemu_pid = qemu_pid;
            g_array_append_val(all, one);
        }
    }
    return all;
}
