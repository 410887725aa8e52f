/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How a RAM block of the destination is filled, and how a page becomes visible to the
 * guest: one set of functions for each kind of RAM, chosen once for a block. Today
 * there is one kind, a file that QEMU maps shared (migrate_placer_file). When and in
 * which order, and what becomes of the page's state, is for migrate-pages.h. Called by
 * the fault thread and by the bulk threads at once: none of these waits or
 * allocates.
 */
#pragma once

#include "migrate/pages/migrate-shortage.h"
#include "migrate/ram/migrate-ram.h"
#include "uffd/uffd-fd.h"

typedef struct {
    const MigrateBlock *block;
    const uint8_t *laid; /* per extent: it is filled whole, unseen, and then shown */
    int uffd;
    MigrateShortage *shortage;
} MigratePlace;

typedef struct MigratePlacer {
    /* Where the bytes of PAGE and of what follows it in its extent are to be
     * received, so that they need not be copied; NULL: elsewhere. */
    uint8_t *(*room)(const MigratePlace *place, uint64_t page);

    /* BYTES are the page's from now on. In a laid extent: nobody sees them yet. */
    bool (*write)(const MigratePlace *place, uint64_t page,
                  const uint8_t *bytes, GError **error);
    /* In a small one: and the guest does. NO_ROOM, AGAIN: not now. */
    UffdOutcome (*copy)(const MigratePlace *place, uint64_t page,
                        const uint8_t *bytes);

    /* N pages of a laid extent that nobody has seen are zero again. */
    void (*empty)(const MigratePlace *place, uint64_t page, unsigned n);

    /* The guest sees the page from now on, and who waits for it goes on. NO_ROOM,
     * AGAIN: not now. */
    UffdOutcome (*show)(const MigratePlace *place, uint64_t page);
    /* Who waits for it goes on, and asks again. */
    UffdOutcome (*wake)(const MigratePlace *place, uint64_t page);

    /* Who filled the page has died meanwhile: is it whole, and maybe seen, so that
     * it must not be filled again? */
    bool (*has_kept)(const MigratePlace *place, uint64_t page);
} MigratePlacer;

extern const MigratePlacer migrate_placer_file;
