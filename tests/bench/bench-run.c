/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a run owns: see bench-run.h.
 */
#include "tests/bench/bench-run.h"

void
bench_run_clear(BenchRun *run)
{
    g_clear_pointer(&run->sent, json_node_unref);
    g_clear_pointer(&run->received, json_node_unref);
    g_clear_pointer(&run->native, json_node_unref);
}
