/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The names of what is counted: see migrate-account.h.
 */
#include "migrate/takeover/migrate-account.h"

#include <glib.h>
#include <stddef.h>

#define FIELD(key, name) {key, offsetof(MigrateAccount, name)}

const MigrateAccountField migrate_account_fields[] = {
    FIELD("takeovers", takeovers),
    FIELD("started-ns", started_ns),
    FIELD("armed-ns", armed_ns),
    FIELD("waited-ns", waited_ns),
    FIELD("switched-ns", switched_ns),
    FIELD("arrived-ns", arrived_ns),
    FIELD("downtime-us", downtime_us),
    FIELD("bytes-sent", bytes_sent),
    FIELD("bytes-received", bytes_received),
    FIELD("device-bytes", device_bytes),
    FIELD("demand-pages", demand_pages),
    FIELD("pushed-pages", pushed_pages),
    FIELD("zero-pages", zero_pages),
    FIELD("discarded-pages", discarded_pages),
    FIELD("duplicate-pages", duplicate_pages),
    FIELD("unknown-pages", unknown_pages),
    FIELD("lay-ns", lay_ns),
    FIELD("laid-extents", laid_extents),
    FIELD("source-ran", source_ran),
};
const unsigned migrate_account_n_fields =
    G_N_ELEMENTS(migrate_account_fields);
G_STATIC_ASSERT(G_N_ELEMENTS(migrate_account_fields) * sizeof(uint64_t) ==
                sizeof(MigrateAccount));
