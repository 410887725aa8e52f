/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The usual times: see migrate-patience.h.
 */
#include "migrate/core/migrate-patience.h"

#include <glib.h>

#define LEAST_MS 100

static int
patience_part(int usual_ms, unsigned percent)
{
    int part_ms = (int)((gint64)usual_ms * percent / 100);
    return MAX(part_ms, LEAST_MS);
}

void
migrate_patience_init(MigratePatience *patience, unsigned percent)
{
    unsigned p = percent ? percent : 100;
    *patience = (MigratePatience){
        .agree_ms = patience_part(30000, p),
        .arm_ms = patience_part(600000, p),
        .ready_ms = patience_part(60000, p),
        .precopy_ms = patience_part(120000, p),
        .device_ms = patience_part(60000, p),
        .switchover_ms = patience_part(180000, p),
        .decide_ms = patience_part(5000, p),
        .start_ms = patience_part(30000, p),
        .driver_ms = patience_part(10000, p),
        .cancel_ms = patience_part(30000, p),
        .talk_ms = patience_part(10000, p),
        .bye_ms = patience_part(5000, p),
        .linger_ms = patience_part(10000, p),
    };
}
