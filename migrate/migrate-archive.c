/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The files that outlive a helper: see migrate-archive.h.
 */
#include "migrate/migrate-archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/proc-life.h"
#include "migrate/migrate-confine.h"
#include "migrate/migrate-rundir.h"

struct MigrateArchive {
    char *stem; /* path without the ending */
    int lock;
};

#define BUSY_TRIES 20
#define BUSY_US 10000
#define MOST_BYTES (1 << 20) /* 200 blocks are some 50 KiB */

static const char *const endings[] = {".journal", ".pages", ".lock"};

static char *
stem_of(MigrateRole role, pid_t qemu_pid, uint64_t qemu_started)
{
    g_autofree char *directory = migrate_rundir_path();
    return g_strdup_printf("%s/%s-%d-%" G_GUINT64_FORMAT, directory,
                           role == MIGRATE_SEND ? "send" : "receive",
                           (int)qemu_pid, qemu_started);
}

static char *
path_of(const char *stem, const char *ending)
{
    return g_strconcat(stem, ending, NULL);
}

static void
remove_files(const char *stem)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(endings); i++) {
        g_autofree char *path = path_of(stem, endings[i]);
        unlink(path);
    }
}

/* Locked and still the file of that name: its last owner may have removed it
 * between our open() and our flock(). */
static int
take_lock(const char *stem, bool *busy, GError **error)
{
    g_autofree char *path = path_of(stem, ".lock");
    *busy = false;
    for (;;) {
        struct stat ours, named;
        autofd fd = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC,
                         0600);
        if (fd < 0) {
            error_set_errno(error, errno, "open %s", path);
            return -1;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
            *busy = errno == EWOULDBLOCK;
            error_set(error, ERROR_STATE,
                      "%s is locked: a helper is at work on this QEMU", path);
            return -1;
        }
        if (fstat(fd, &ours) == 0 && lstat(path, &named) == 0 &&
            ours.st_ino == named.st_ino && ours.st_dev == named.st_dev) {
            return fd_steal(&fd);
        }
    }
}

/* Whoever only looks around holds it for a moment. */
static int
take_lock_with_patience(const char *stem, GError **error)
{
    bool busy;
    for (int i = 0;; i++) {
        int lock = take_lock(stem, &busy, i < BUSY_TRIES ? NULL : error);
        if (lock >= 0 || i == BUSY_TRIES) {
            return lock;
        }
        g_usleep(BUSY_US);
    }
}

MigrateArchive *
migrate_archive_open(MigrateRole role, pid_t qemu_pid, uint64_t qemu_started,
                     GError **error)
{
    g_autofree char *directory = migrate_rundir_path();
    if (!migrate_rundir_make(directory, error)) {
        return NULL;
    }
    g_autofree char *stem = stem_of(role, qemu_pid, qemu_started);
    int lock = take_lock_with_patience(stem, error);
    if (lock < 0) {
        return NULL;
    }
    MigrateArchive *archive = g_new0(MigrateArchive, 1);
    archive->stem = g_steal_pointer(&stem);
    archive->lock = lock;
    return archive;
}

bool
migrate_archive_is_locked(MigrateRole role, pid_t qemu_pid)
{
    uint64_t started;
    if (!proc_life_started(qemu_pid, &started, NULL)) {
        return false;
    }
    g_autofree char *stem = stem_of(role, qemu_pid, started);
    g_autofree char *path = path_of(stem, ".lock");
    autofd fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 &&
           errno == EWOULDBLOCK;
}

void
migrate_archive_close(MigrateArchive *archive)
{
    fd_clear(&archive->lock);
    g_free(archive->stem);
    g_free(archive);
}

void
migrate_archive_remove(MigrateArchive *archive)
{
    remove_files(archive->stem);
    migrate_archive_close(archive);
}

static int
open_pages(MigrateArchive *archive, int flags, GError **error)
{
    g_autofree char *path = path_of(archive->stem, ".pages");
    int fd = open(path, O_RDWR | O_NOFOLLOW | O_CLOEXEC | flags, 0600);
    if (fd < 0) {
        error_set_errno(error, errno, "open the page states in %s", path);
    }
    return fd;
}

int
migrate_archive_new_pages(MigrateArchive *archive, GError **error)
{
    g_autofree char *path = path_of(archive->stem, ".pages");
    unlink(path);
    return open_pages(archive, O_CREAT | O_EXCL, error);
}

int
migrate_archive_old_pages(MigrateArchive *archive, GError **error)
{
    return open_pages(archive, 0, error);
}

/* A rename: who reads it reads the old one or the new one, never half. It lies
 * in memory, so there is no disk to wait for. */
static bool
write_whole(const char *path, const char *text, GError **error)
{
    g_autofree char *next = g_strconcat(path, ".next", NULL);
    unlink(next);
    autofd fd = open(next, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                     0600);
    size_t length = strlen(text);
    if (fd < 0 || write(fd, text, length) != (ssize_t)length ||
        rename(next, path) < 0) {
        return error_set_errno(error, errno, "write %s", path);
    }
    return true;
}

bool
migrate_archive_write(MigrateArchive *archive, const MigrateSession *session,
                      GError **error)
{
    MigrateJournal journal;
    migrate_journal_of(session, &journal);
    g_autofree char *text = migrate_journal_to_text(&journal);
    g_autofree char *path = path_of(archive->stem, ".journal");
    return write_whole(path, text, error);
}

char *
migrate_archive_keeper_path(pid_t qemu_pid, uint64_t qemu_started)
{
    g_autofree char *stem = stem_of(MIGRATE_SEND, qemu_pid, qemu_started);
    return path_of(stem, ".keeper");
}

/* It says whose memory goes to whom, so it is nobody's but ours: root's, or of
 * the user that a confined helper is. */
static char *
read_own(const char *path, GError **error)
{
    struct stat st;
    autofd fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        error_set_errno(error, errno, "open %s", path);
        return NULL;
    }
    if (!S_ISREG(st.st_mode) || st.st_mode & (S_IWGRP | S_IWOTH) ||
        (st.st_uid != 0 && st.st_uid != geteuid() &&
         st.st_uid != migrate_confine_user()) ||
        st.st_size > MOST_BYTES) {
        error_set(error, ERROR_STATE,
                  "%s is not a journal of ours: another user's, open to "
                  "others, or too long", path);
        return NULL;
    }
    g_autofree char *text = g_malloc0((size_t)st.st_size + 1);
    return fd_read_all(fd, text, (size_t)st.st_size, 0, error)
               ? g_steal_pointer(&text)
               : NULL;
}

static bool
read_journal(const char *path, MigrateJournal *journal, GError **error)
{
    g_autofree char *text = read_own(path, error);
    if (!text) {
        return false;
    }
    bool ok = migrate_journal_from_text(text, journal, error);
    if (!ok) {
        g_prefix_error(error, "%s: ", path);
    }
    return ok;
}

static bool
qemu_lives(const MigrateJournal *journal)
{
    autofd pidfd =
        proc_life_open(journal->qemu_pid, journal->qemu_started, NULL);
    return pidfd >= 0;
}

/* True if nobody is at work on it. One of a destination whose QEMU is gone is
 * of no use to anybody, and removed. */
static bool
has_journal(const char *stem)
{
    g_autofree char *path = path_of(stem, ".journal");
    return access(path, F_OK) == 0;
}

/* Left by one that was killed while it removed its files, or made by who looked
 * for it just then: to take a lock is to make its file. */
static void
remove_remains(const char *stem)
{
    bool busy;
    if (has_journal(stem)) {
        return;
    }
    autofd lock = take_lock(stem, &busy, NULL);
    if (lock >= 0 && !has_journal(stem)) {
        remove_files(stem);
    }
}

void
migrate_archive_forget_dead(void)
{
    g_autofree char *directory = migrate_rundir_path();
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        const char *ending = strrchr(name, '.');
        if (g_strcmp0(ending, ".lock") == 0 ||
            g_strcmp0(ending, ".pages") == 0) {
            g_autofree char *file = g_strndup(name, (gsize)(ending - name));
            g_autofree char *stem = g_build_filename(directory, file, NULL);
            remove_remains(stem);
        }
    }
}

static bool
is_orphan(const MigrateJournal *journal)
{
    bool busy;
    g_autofree char *stem =
        stem_of(journal->options.role, journal->qemu_pid,
                journal->qemu_started);
    autofd lock = take_lock(stem, &busy, NULL);
    if (lock < 0) {
        return false;
    }
    bool dead = journal->options.role == MIGRATE_RECEIVE &&
                !qemu_lives(journal);
    if (dead || !has_journal(stem)) {
        remove_files(stem);
        return false;
    }
    return true;
}

static void
free_journal(gpointer data)
{
    migrate_journal_clear(data);
    g_free(data);
}

static GPtrArray *
read_all(void)
{
    GPtrArray *all = g_ptr_array_new_with_free_func(free_journal);
    g_autofree char *directory = migrate_rundir_path();
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        g_autoptr(GError) why = NULL;
        MigrateJournal journal;
        if (!g_str_has_suffix(name, ".journal")) {
            continue;
        }
        if (read_journal(path, &journal, &why)) {
            g_ptr_array_add(all, g_memdup2(&journal, sizeof journal));
        } else {
            g_warning("%s", why->message);
        }
    }
    return all;
}

GPtrArray *
migrate_archive_orphans(void)
{
    GPtrArray *all = read_all();
    for (guint i = all->len; i-- > 0;) {
        if (!is_orphan(g_ptr_array_index(all, i))) {
            g_ptr_array_remove_index(all, i);
        }
    }
    return all;
}

/* Named, it may have somebody at work on it, who is then told to go first;
 * unnamed, only what was interrupted can be meant. */
static bool
is_meant(const MigrateJournal *journal, const char *qmp_path)
{
    if (!qmp_path) {
        return is_orphan(journal);
    }
    return g_strcmp0(qmp_path, journal->options.qmp_path) == 0 &&
           (journal->options.role == MIGRATE_SEND || qemu_lives(journal) ||
            is_orphan(journal));
}

bool
migrate_archive_find(MigrateRole role, const char *qmp_path,
                     MigrateJournal *journal, GError **error)
{
    const char *verb = role == MIGRATE_SEND ? "send" : "receive";
    g_autofree char *wanted =
        qmp_path ? g_canonicalize_filename(qmp_path, NULL) : NULL;
    g_autoptr(GPtrArray) all = read_all();
    MigrateJournal *found = NULL;
    unsigned n = 0;
    for (guint i = 0; i < all->len; i++) {
        MigrateJournal *one = g_ptr_array_index(all, i);
        if (one->options.role == role && is_meant(one, wanted)) {
            found = one;
            n++;
        }
    }
    if (n != 1) {
        return error_set(error, ERROR_STATE,
                         n ? "there are %2$u interrupted '%1$s' here; say "
                             "which by --qmp PATH"
                           : "there is no interrupted '%s' of a running "
                             "migration on this host",
                         verb, n);
    }
    *journal = *found;
    *found = (MigrateJournal){0};
    return true;
}
