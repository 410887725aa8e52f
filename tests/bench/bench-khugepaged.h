/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The settings of khugepaged, changed for a benchmark and put back whatever
 * becomes of it: a process of its own, which no signal of the terminal
 * reaches, waits for the end of the one that changed them and then writes the
 * old values. One benchmark at a time on a machine; the others are refused.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct BenchKhugepaged BenchKhugepaged;

typedef enum {
    BENCH_KHUGEPAGED_ASLEEP,     /* does nothing, for an hour */
    BENCH_KHUGEPAGED_AS_FOUND,   /* as this machine is set up */
    BENCH_KHUGEPAGED_AGGRESSIVE, /* no pause, no limit per pass */
} BenchKhugepagedMode;

/* Remembers the settings and starts the guard. Fork-safe only while this
 * process has one thread. */
BenchKhugepaged *bench_khugepaged_open(GError **error);

/* Takes effect at once: khugepaged is woken by the writes. */
bool bench_khugepaged_set(BenchKhugepaged *khugepaged,
                          BenchKhugepagedMode mode, GError **error);

/* Back when the old values are. */
void bench_khugepaged_close(BenchKhugepaged *khugepaged);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BenchKhugepaged, bench_khugepaged_close)

/* "pages_to_scan=4096 ..." as found; owned by KHUGEPAGED. */
const char *bench_khugepaged_found(const BenchKhugepaged *khugepaged);
