/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The files that outlive a helper: see migrate-archive.h.
 */
#include "migrate/takeover/migrate-archive.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/proc-life.h"
#include "migrate/confine/migrate-confine.h"
#include "migrate/core/migrate-rundir.h"
#include "migrate/takeover/migrate-candidate.h"
#include "migrate/takeover/migrate-claim.h"

struct MigrateArchive {
    char *stem; /* path without the ending */
    bool has_pages;
};

#define MOST_BYTES (1 << 20) /* 200 blocks are some 50 KiB */

static const char *const endings[] = {".journal", ".journal.next", ".pages"};

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

MigrateArchive *
migrate_archive_open(MigrateRole role, pid_t qemu_pid, uint64_t qemu_started,
                     GError **error)
{
    g_autofree char *directory = migrate_rundir_path();
    if (!migrate_rundir_make(directory, error)) {
        return NULL;
    }
    MigrateArchive *archive = g_new0(MigrateArchive, 1);
    archive->stem = stem_of(role, qemu_pid, qemu_started);
    return archive;
}

void
migrate_archive_close(MigrateArchive *archive)
{
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
    archive->has_pages = fd >= 0;
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
migrate_archive_write(MigrateArchive *archive, const MigrateJournal *journal,
                      GError **error)
{
    g_autofree char *pages = path_of(archive->stem, ".pages");
    struct stat st;
    /* Not access(): that asks what root's heir may who is not root. */
    if (archive->has_pages && lstat(pages, &st) < 0) {
        return error_set_errno(error, errno, "the page states in %s", pages);
    }
    g_autofree char *text = migrate_journal_to_text(journal);
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
                  "%s is not a journal of this user: it belongs to another "
                  "user, others can read it, or it is too long",
                  path);
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

/* With --follow the point of no return comes before the guest does. */
static bool
has_gone_over(const MigrateJournal *journal)
{
    return journal->committed &&
           (!journal->options.follow || journal->ran);
}

static bool
qemu_lives(const MigrateJournal *journal)
{
    autofd pidfd =
        proc_life_open(journal->qemu_pid, journal->qemu_started, NULL);
    return pidfd >= 0;
}

static bool
has_journal(const char *stem)
{
    g_autofree char *path = path_of(stem, ".journal");
    return access(path, F_OK) == 0;
}

/* Page states without a journal, left by one that was killed while it made or
 * removed its files. NAME is "receive-PID-START". */
static void
remove_remains(const char *stem, const char *name)
{
    int pid;
    uint64_t started;
    if (has_journal(stem) ||
        sscanf(name, "receive-%d-%" G_GUINT64_FORMAT, &pid, &started) != 2) {
        return;
    }
    g_autoptr(MigrateClaim) claim =
        migrate_claim_take(pid, started, "look", NULL);
    if (claim && !has_journal(stem)) {
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
        if (g_str_has_suffix(name, ".pages")) {
            g_autofree char *file =
                g_strndup(name, strlen(name) - strlen(".pages"));
            g_autofree char *stem = g_build_filename(directory, file, NULL);
            remove_remains(stem, file);
        }
    }
    migrate_claim_forget_dead();
}

/* True if nobody is at work on it. One of a destination whose QEMU is gone is
 * of no use to anybody, and removed, unless its source may still hold memory for
 * that guest: then it has to be told. */
static bool
is_orphan(const MigrateJournal *journal)
{
    g_autofree char *stem =
        stem_of(journal->options.role, journal->qemu_pid,
                journal->qemu_started);
    g_autoptr(MigrateClaim) claim = migrate_claim_take(
        journal->qemu_pid, journal->qemu_started, "look", NULL);
    if (!claim) {
        return false;
    }
    bool dead = journal->options.role == MIGRATE_RECEIVE &&
                !has_gone_over(journal) && !qemu_lives(journal);
    if (dead || !has_journal(stem)) {
        remove_files(stem);
        return false;
    }
    return true;
}

bool
migrate_archive_read(MigrateRole role, pid_t qemu_pid, uint64_t qemu_started,
                     MigrateJournal *journal, GError **error)
{
    g_autofree char *stem = stem_of(role, qemu_pid, qemu_started);
    g_autofree char *path = path_of(stem, ".journal");
    return has_journal(stem) && read_journal(path, journal, error);
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
is_meant(const MigrateJournal *journal, const MigrateOptions *options)
{
    bool is_named = options->qmp_path || options->pid;
    return migrate_candidate_fits(journal, options) &&
           ((is_named && (journal->options.role == MIGRATE_SEND ||
                          qemu_lives(journal))) ||
            is_orphan(journal));
}

static bool
report_none(const MigrateOptions *options, GError **error)
{
    const MigrateOptions any = {.role = options->role,
                                .give_up = options->give_up};
    const char *verb = options->role == MIGRATE_SEND ? "send" : "receive";
    g_autoptr(GPtrArray) all = migrate_archive_orphans();
    for (guint i = all->len; i-- > 0;) {
        if (!migrate_candidate_fits(g_ptr_array_index(all, i), &any)) {
            g_ptr_array_remove_index(all, i);
        }
    }
    if (all->len == 0) {
        return error_set(error, ERROR_STATE,
                         "there is no interrupted '%s' of a running migration "
                         "on this host",
                         verb);
    }
    g_autofree char *list = migrate_candidate_list(all, options);
    return error_set(error, ERROR_STATE,
                     "there is no interrupted '%s' of the QEMU that --qmp or "
                     "--pid names; there %s: %s",
                     verb, all->len == 1 ? "is" : "are", list);
}

static bool
report_several(const GPtrArray *meant, const MigrateOptions *options,
               GError **error)
{
    g_autofree char *list = migrate_candidate_list(meant, options);
    return error_set(error, ERROR_STATE,
                     "there are %u interrupted '%s' here; say which by --pid "
                     "N, the process of QEMU: %s",
                     meant->len,
                     options->role == MIGRATE_SEND ? "send" : "receive", list);
}

bool
migrate_archive_find(const MigrateOptions *options, MigrateJournal *journal,
                     GError **error)
{
    g_autoptr(GPtrArray) all = read_all();
    for (guint i = all->len; i-- > 0;) {
        if (!is_meant(g_ptr_array_index(all, i), options)) {
            g_ptr_array_remove_index(all, i);
        }
    }
    if (all->len != 1) {
        return all->len ? report_several(all, options, error)
                        : report_none(options, error);
    }
    MigrateJournal *found = g_ptr_array_index(all, 0);
    *journal = *found;
    *found = (MigrateJournal){0};
    return true;
}
