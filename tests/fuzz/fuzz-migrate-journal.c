/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The journal that a helper's successor reads. What it accepts is in range,
 * and writing it again gives a journal that reads the same.
 */
#include <string.h>

#include "base/range.h"
#include "migrate/takeover/migrate-journal.h"
#include "tests/fuzz/fuzz-check.h"

static void
check_path(const char *path)
{
    g_assert_true(!path || g_path_is_absolute(path));
}

static void
check(const MigrateJournal *journal)
{
    check_path(journal->options.qmp_path);
    check_path(journal->options.report_path);
    check_path(journal->options.tls_creds);
    check_path(journal->options.tls_psk);
    g_assert_cmpint(journal->qemu_pid, >, 0);
    g_assert_nonnull(journal->options.address);
    g_assert_cmpuint(journal->n_streams, <=, WIRE_MAX_STREAMS);
    g_assert_cmpuint(journal->n_blocks, >=, 1);
    g_assert_cmpuint(journal->n_blocks, <=, WIRE_MAX_BLOCKS);
    /* Whoever goes on counting from there does not pass the end. */
    const MigrateAccount *a = &journal->account;
    uint64_t sum;
    g_assert_false(__builtin_add_overflow(
        a->demand_pages + a->pushed_pages + a->zero_pages + a->unknown_pages,
        a->discarded_pages, &sum));
    g_assert_cmpuint(sum, <=, INT64_MAX);
    for (unsigned i = 0; i < journal->n_blocks; i++) {
        const MigrateBlock *block = &journal->blocks[i];
        uint64_t end;
        g_assert_nonnull(block->name);
        g_assert_cmpint(block->file, ==, -1);
        g_assert_cmpuint(block->bytes, ==, block->pages * PAGE_BYTES);
        g_assert_cmpuint((block->pages + PAGES_PER_EXTENT - 1) /
                             PAGES_PER_EXTENT,
                         ==, block->extents);
        g_assert_false(
            __builtin_add_overflow(block->hva, block->bytes, &end));
        g_assert_false(
            __builtin_add_overflow(block->file_offset, block->bytes, &end));
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = fuzz_text(data, size);
    g_auto(MigrateJournal) journal = {0}, again = {0};
    GError *error = NULL;
    bool ok = migrate_journal_from_text(text, &journal, &error);
    if (ok) {
        check(&journal);
        g_autofree char *once = migrate_journal_to_text(&journal);
        g_assert_true(migrate_journal_from_text(once, &again, NULL));
        g_autofree char *twice = migrate_journal_to_text(&again);
        g_assert_cmpstr(once, ==, twice);
    } else {
        g_assert_null(journal.blocks);
    }
    fuzz_end(ok, error, FUZZ_MAY(ERROR_PROTOCOL));
    return 0;
}
