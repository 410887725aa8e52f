/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is not huge yet when the last page has arrived: extents for which no
 * huge page was there before, and those that a pinned page kept small. They
 * are swept as those of any running guest (collapse/collapse-job.h).
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* When all is PRESENT, released and unmapped here. Counts in the report what
 * could be huge, and by errno what stays small. A signal ends it: the guest
 * needs nothing of us any more. */
void migrate_remainder_sweep(MigrateSession *session);
