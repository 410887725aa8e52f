/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the findings of a check come to, in one sentence and in words for
 * programs. Pure.
 */
#pragma once

#include "migrate/check/migrate-checked.h"
#include "migrate/core/migrate-findings.h"

typedef enum {
    MIGRATE_VERDICT_YES,
    MIGRATE_VERDICT_SMALL,   /* yes, but the guest arrives with small pages */
    MIGRATE_VERDICT_NO,
    MIGRATE_VERDICT_UNKNOWN, /* the RAM was not examined */
} MigrateVerdict;

/* "yes", "small", "no", "unknown". */
const char *migrate_verdict_name(MigrateVerdict verdict);

MigrateVerdict migrate_verdict(const MigrateChecked *checked,
                               const GPtrArray *findings);

/* "this guest can be moved", ...; owned by the caller. */
char *migrate_verdict_words(const MigrateChecked *checked,
                            const GPtrArray *findings);

/* All of it, schema 1 (postlude(1) has the members); XML, what a domain's
 * definition lacks, may be NULL. Owned by the caller. */
char *migrate_verdict_to_json(const MigrateChecked *checked,
                              const GPtrArray *findings, const char *xml);
