/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The urgent thread of the source: answers each wanted page at once and makes
 * its extent hot. Started only when the guest stands still (pre-switchover):
 * before that the RAM is not final.
 */
#pragma once

#include "migrate/core/migrate-alarm.h"
#include "migrate/ram/migrate-ram.h"
#include "migrate/send/migrate-order.h"
#include "migrate/send/migrate-sent.h"
#include "wire/wire-link.h"

typedef struct MigrateServe MigrateServe;

/* All borrowed. NULL if no thread is to be had (ALARM: FAILED). */
MigrateServe *migrate_serve_start(WireLink *urgent, const MigrateRam *ram,
                                  MigrateSent *sent, MigrateOrder *order,
                                  MigrateAlarm *alarm);
/* Shuts the link down and joins. */
void migrate_serve_stop(MigrateServe *serve);

/* Pages answered so far; any thread. */
uint64_t migrate_serve_answered(const MigrateServe *serve);

/* True if all BYTES (a multiple of 64) are zero. */
bool migrate_is_zero(const void *bytes, size_t length);
