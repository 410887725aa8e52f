/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a host and a guest must have before anything moves: one list, used by
 * 'postlude check' to tell and by send and receive to refuse.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "migrate/check/migrate-checked.h"
#include "migrate/core/migrate-findings.h"
#include "migrate/ram/migrate-ram.h"
#include "qmp/qmp-qemu.h"

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
