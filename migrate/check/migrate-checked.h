/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What was looked at: a host, a guest or what is to become one, and what it is
 * called.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

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
