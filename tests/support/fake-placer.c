/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Filling nothing: see fake-placer.h.
 */
#include "tests/support/fake-placer.h"

static FakePlacer *fake_now;

static uint8_t *
fake_room(const MigratePlace *place, uint64_t page)
{
    return NULL;
}

static bool
fake_write(const MigratePlace *place, uint64_t page, const uint8_t *bytes,
           GError **error)
{
    fake_now->written++;
    return true;
}

static UffdOutcome
fake_copy(const MigratePlace *place, uint64_t page, const uint8_t *bytes)
{
    fake_now->copied++;
    return fake_now->copy;
}

static void
fake_empty(const MigratePlace *place, uint64_t page, unsigned n)
{
    fake_now->emptied += n;
}

static UffdOutcome
fake_show(const MigratePlace *place, uint64_t page)
{
    fake_now->shown++;
    return fake_now->show;
}

static UffdOutcome
fake_wake(const MigratePlace *place, uint64_t page)
{
    fake_now->woken++;
    return UFFD_DONE;
}

static bool
fake_has_kept(const MigratePlace *place, uint64_t page)
{
    return fake_now->kept;
}

static const MigratePlacer fake_placer = {
    .room = fake_room,
    .write = fake_write,
    .copy = fake_copy,
    .empty = fake_empty,
    .show = fake_show,
    .wake = fake_wake,
    .has_kept = fake_has_kept,
};

void
fake_placer_init(FakePlacer *fake, MigrateBlock *block)
{
    *fake = (FakePlacer){.copy = UFFD_DONE, .show = UFFD_DONE};
    fake_now = fake;
    block->placer = &fake_placer;
}
