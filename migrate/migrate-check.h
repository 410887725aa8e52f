/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a host and a guest must have before anything moves: one list, used by
 * 'postlude check' to tell and by send and receive to refuse. Each finding
 * says what it looked at and, unless it is fine, the remedy.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "migrate/migrate-ram.h"
#include "qmp/qmp-qemu.h"

typedef enum {
    MIGRATE_CHECK_OK,
    MIGRATE_CHECK_WARNING, /* it works, but worse than it could */
    MIGRATE_CHECK_MISSING, /* essential: nothing is moved */
} MigrateCheckLevel;

typedef struct {
    MigrateCheckLevel level;
    char *what;
    char *remedy; /* NULL if OK */
    bool small;   /* a guest would arrive with small pages for it */
} MigrateFinding;

/* What was looked at. */
typedef enum {
    MIGRATE_SUBJECT_HOST,       /* nothing but this host */
    MIGRATE_SUBJECT_GUEST,      /* a guest, through its QEMU's monitor */
    MIGRATE_SUBJECT_WAITING,    /* a QEMU that waits for a guest */
    MIGRATE_SUBJECT_UNSEEN,     /* a guest without a monitor: only how huge it is */
    MIGRATE_SUBJECT_DEFINITION, /* a domain of libvirt that does not run */
} MigrateSubject;

typedef struct {
    MigrateSubject subject;
    pid_t pid; /* 0: not known */
    char *name, *uuid, *state; /* the guest's; NULL: not known */
} MigrateChecked;

void migrate_checked_clear(MigrateChecked *checked);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MigrateChecked, migrate_checked_clear)

/* An empty list of findings; g_ptr_array_unref() frees it. */
GPtrArray *migrate_findings_new(void);
void migrate_findings_add(GPtrArray *findings, MigrateCheckLevel level,
                          const char *remedy, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* Of the last finding, if it is a warning: the guest would arrive with small
 * pages. */
void migrate_findings_mark_small(GPtrArray *findings);

/* Logs warnings; the first missing thing becomes ERROR (UNSUPPORTED). */
bool migrate_findings_judge(const GPtrArray *findings, GError **error);

/* This host: kernel, privileges, huge pages. A source only reads RAM and
 * needs less than a destination. */
void migrate_check_host(bool destination, GPtrArray *findings);

/* What QEMU says of its devices and itself; of its RAM: migrate-blocks.h. */
void migrate_check_devices(QmpClient *client, GPtrArray *findings);
void migrate_check_capability(QmpClient *client, GPtrArray *findings);

/* x-ignore-shared of QEMU PID is off, unless a helper is at work there. */
void migrate_check_left_on(QmpClient *client, pid_t pid,
                           GPtrArray *findings);

/* The mappings and files: file system, alignment, other processes. */
void migrate_check_ram(const MigrateRam *ram, pid_t pid, GPtrArray *findings);

/* A whole guest, by its monitor, its process, or both (PATH may be NULL, PID 0;
 * with neither there is nothing to look at). CHECKED, empty before, says what it
 * was. */
void migrate_check_guest(const char *qmp_path, pid_t pid,
                         MigrateChecked *checked, GPtrArray *findings);

/* The same by libvirt's name of it, which is looked up in its files. */
void migrate_check_domain(const char *name, MigrateChecked *checked,
                          GPtrArray *findings);
