/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One bulk thread of the source: takes the next extent from the order, finds
 * out which of its pages hold data, are zero, or went out already, and sends
 * the rest from the page cache.
 */
#pragma once

#include "migrate/core/migrate-alarm.h"
#include "migrate/ram/migrate-ram.h"
#include "migrate/send/migrate-order.h"
#include "migrate/send/migrate-sent.h"
#include "wire/wire-link.h"

typedef struct MigratePush MigratePush;

/* RAM must be mapped for reading. All borrowed. ZERO_COPY: hand the network
 * card the pages themselves with sendfile(); otherwise the kernel copies them
 * into its own buffers, which on loopback costs half as much (sendfile() works
 * page by page, and there is no card to spare the copy). Everything is offered to
 * the order before it starts; it sends END when nothing is left. NULL if no
 * thread is to be had (ALARM: FAILED). */
MigratePush *migrate_push_start(WireLink *bulk, const MigrateRam *ram,
                                MigrateSent *sent, MigrateOrder *order,
                                bool zero_copy, MigrateAlarm *alarm);
void migrate_push_stop(MigratePush *push);

/* Pages sent as data, and announced as zero; any thread. */
uint64_t migrate_push_sent(const MigratePush *push);
uint64_t migrate_push_zero(const MigratePush *push);
