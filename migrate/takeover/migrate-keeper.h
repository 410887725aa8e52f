/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The keeper: a process that holds open descriptors of the source's RAM files
 * and nothing else, so that the memory outlives both QEMU (which libvirt ends
 * as soon as the guest runs elsewhere) and a sender that is killed. Whoever is
 * root or of its user may fetch the descriptors at its socket or release it.
 */
#pragma once

#include "migrate/ram/migrate-ram.h"

/* Starts one for RAM's files at socket PATH (an old one there is replaced), to
 * be asked by root, our user, and USER; returns when it is ready. Until
 * migrate_keeper_commit() it lives only as long as the descriptor that is
 * returned is open anywhere: while the guest runs here, nobody needs it. -1 on
 * failure. */
int migrate_keeper_start(const MigrateRam *ram, const char *path, uid_t user,
                         GError **error);

/* From now on it stays until it is released. Closes LIFE (-1: none). */
void migrate_keeper_commit(int *life);

/* Gets the files of RAM that are not open yet; those it does not have stay
 * closed. False: there is no keeper. */
bool migrate_keeper_fetch(const char *path, MigrateRam *ram, GError **error);

/* It lets the memory go, and ends. Nothing if there is none. */
void migrate_keeper_release(const char *path);

/* The process itself: descriptors 3 to 3 + N - 1 are the files, the next is the
 * other end of LIFE. Returns the exit status. */
int migrate_keeper_run(const char *path, unsigned n, uid_t user);
