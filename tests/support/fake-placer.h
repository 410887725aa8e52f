/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A RAM block that nobody maps: pages are filled and shown in the test's imagination,
 * and the answers are the test's. One at a time.
 */
#pragma once

#include "migrate/pages/migrate-placer.h"

typedef struct {
    UffdOutcome copy, show; /* the answers */
    bool kept;
    unsigned written, copied, emptied, shown, woken; /* pages */
} FakePlacer;

/* FAKE answers for what migrate_pages_new() and _adopt() make of BLOCK. */
void fake_placer_init(FakePlacer *fake, MigrateBlock *block);
