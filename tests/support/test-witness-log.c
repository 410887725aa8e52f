/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The reader of the witness's lines: whole lines, torn lines, the seam of a
 * migration, percentiles.
 */
#include "tests/support/witness-log.h"

static const char source_text[] =
    "\x1b[2J SeaBIOS (version 1.16)\r\n"
    "witness: measuring and filling ;\n"
    "ready ticks_per_us=2596 fill_ms=2567 pages=179200 area=2813952 ;\n"
    "beat n=1 ms=250 acc=100 slow=2 mean=60 max=70 stall=120 top=70 next=50 "
    "wrong=0 scans=0 ;\n"
    "hist n=1 22:1 24:1 ;\n"
    "beat n=2 ms=500 acc=220 slow=2 mean=60 max=70 stall=120 top=0 next=0 "
    "wrong=0 scans=1 ;\n"
    "beat n=3 ms=750 acc=300 slow=4 mean=2";
static const char destination_text[] =
    "80 max=900 stall=1120 top=900 next=100 wrong=0 scans=1 ;\n"
    "hist n=3 22:1 24:1 26:1 39:1 ;\n"
    "beat n=4 ms=1000 acc=400 slow=4 mean=280 max=900 stall=1120 top=0 next=0 "
    "wrong=1 scans=3 ;\n"
    "\nWRONG data page=7 word=3 expected=0x00000001 found=0x00000000\n"
    "beat n=5 ms=1250 acc=500 slow=4 me";

static WitnessLog *
both(void)
{
    g_autofree char *text = g_strconcat(source_text, destination_text, NULL);
    return witness_log_parse(text);
}

static void
test_whole_lines_only(void)
{
    g_autoptr(WitnessLog) log = witness_log_parse(source_text);
    g_assert_true(log->ready);
    g_assert_cmpuint(log->ticks_per_us, ==, 2596);
    g_assert_cmpuint(log->pages, ==, 179200);
    g_assert_cmpuint(log->area_gpa, ==, 2813952);
    g_assert_cmpuint(log->beats->len, ==, 2);
    g_assert_cmpuint(witness_log_last(log)->ms, ==, 500);
    g_assert_false(log->holes);
    g_assert_null(log->fatal);
}

static void
test_seam_of_a_migration(void)
{
    g_autoptr(WitnessLog) log = both();
    g_assert_cmpuint(log->beats->len, ==, 4);
    g_assert_cmpuint(log->wrong->len, ==, 1);
    const WitnessBeat *third = witness_log_at(log, 501);
    g_assert_nonnull(third);
    g_assert_cmpuint(third->line, ==, 3);
    g_assert_cmpuint(third->mean_us, ==, 280);
    g_assert_cmpuint(third->buckets[39], ==, 1);
    g_assert_cmpuint(witness_log_last(log)->wrong, ==, 1);
    g_assert_null(witness_log_at(log, 1001));
}

static void
test_delta(void)
{
    g_autoptr(WitnessLog) log = both();
    WitnessDelta delta;
    witness_log_delta(log, witness_log_at(log, 0), witness_log_last(log),
                      &delta);
    g_assert_cmpuint(delta.ms, ==, 750);
    g_assert_cmpuint(delta.accesses, ==, 300);
    g_assert_cmpuint(delta.slow, ==, 2);
    g_assert_cmpuint(delta.stalled_us, ==, 1000);
    g_assert_cmpuint(delta.max_us, ==, 900);
    g_assert_cmpuint(delta.next_us, ==, 100);
    g_assert_cmpuint(delta.wrong, ==, 1);
    g_assert_cmpuint(delta.scans, ==, 3);
    g_assert_cmpuint(delta.buckets[22], ==, 0);
    g_assert_cmpuint(delta.buckets[26], ==, 1);
    g_assert_cmpuint(witness_delta_mean_us(&delta), ==, 500);

    witness_log_delta(log, NULL, witness_log_at(log, 0), &delta);
    g_assert_cmpuint(delta.slow, ==, 2);
    g_assert_cmpuint(delta.max_us, ==, 70);
}

static void
test_quantiles(void)
{
    uint64_t buckets[WITNESS_LOG_BUCKETS] = {0};
    g_assert_cmpuint(witness_buckets_quantile_us(buckets, 0.99), ==, 0);
    buckets[24] = 98; /* 64 to 80 µs */
    buckets[39] = 1;  /* 896 to 1024 µs */
    buckets[95] = 1;  /* the last one, 14.7 to 16.8 s */
    g_assert_cmpuint(witness_buckets_quantile_us(buckets, 0.5), ==, 80);
    g_assert_cmpuint(witness_buckets_quantile_us(buckets, 0.99), ==, 1024);
    g_assert_cmpuint(witness_buckets_quantile_us(buckets, 1), ==, 1 << 24);
}

static void
test_the_witness_gives_up(void)
{
    g_autoptr(WitnessLog) log =
        witness_log_parse("mibFATAL : not a number or out of range\n");
    g_assert_nonnull(log->fatal);
    g_assert_false(log->ready);
    g_assert_null(witness_log_last(log));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/witness-log/whole-lines-only", test_whole_lines_only);
    g_test_add_func("/witness-log/seam-of-a-migration",
                    test_seam_of_a_migration);
    g_test_add_func("/witness-log/delta", test_delta);
    g_test_add_func("/witness-log/quantiles", test_quantiles);
    g_test_add_func("/witness-log/the-witness-gives-up",
                    test_the_witness_gives_up);
    return g_test_run();
}
