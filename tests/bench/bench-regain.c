/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Regaining huge pages: see bench-regain.h.
 */
#include "tests/bench/bench-regain.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"

#define TOOL_MS 120000
#define GOAL 0.95
/* What is asked how often. The machine's sum is one counter; smaps walks all
 * of the guest's page tables, some milliseconds per GiB. */
#define COUNTER_US 10000
#define SMAPS_US 250000
/* A pass of khugepaged that the next one is told from by its pause. */
#define PAUSE_MS 1000

const char *const bench_regain_names[BENCH_REGAIN_WAYS] = {
    "none", "default", "fast", "khugepaged", "khugepaged-aggressive"};

/* Coverage over time. Passes: growth after a pause. */
typedef struct {
    uint64_t start_ns, rss_bytes, goal_bytes, bytes, grown_ns;
    unsigned passes;
    uint64_t first_ns, last_ns;       /* when the passes began */
    uint64_t first_bytes, last_bytes; /* before them */
    double to_95_ms;
} Curve;

static double
ms_since(uint64_t ns)
{
    return (double)(fd_now_ns() - ns) / 1e6;
}

static void
note(Curve *curve, uint64_t bytes)
{
    uint64_t now = fd_now_ns();
    if (bytes > curve->bytes) {
        if (curve->passes == 0 ||
            now - curve->grown_ns > PAUSE_MS * UINT64_C(1000000)) {
            curve->last_ns = now;
            curve->last_bytes = curve->bytes;
            if (curve->passes++ == 0) {
                curve->first_ns = now;
                curve->first_bytes = curve->bytes;
            }
        }
        curve->grown_ns = now;
        curve->bytes = bytes;
    }
    if (curve->to_95_ms == 0 && bytes >= curve->goal_bytes) {
        curve->to_95_ms = (double)(now - curve->start_ns) / 1e6;
    }
}

/* From the beginning of one pass to the beginning of a later one is a whole
 * number of passes with their pauses, so neither where in its pause khugepaged
 * was found nor where in it the watching ended counts. */
static void
extrapolate(const Curve *curve, BenchRegain *regain)
{
    double bytes = (double)(curve->bytes), ns = ms_since(curve->start_ns) * 1e6;
    if (curve->passes >= 2) {
        bytes = (double)(curve->last_bytes - curve->first_bytes);
        ns = (double)(curve->last_ns - curve->first_ns);
    }
    if (bytes > 0) {
        regain->to_95_ms = (double)curve->goal_bytes / bytes * ns / 1e6;
        regain->extrapolated = true;
    }
}

/* Anonymous huge pages of the whole machine. */
static bool
machine_bytes(uint64_t *bytes, GError **error)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents("/proc/meminfo", &text, NULL, error)) {
        return false;
    }
    const char *at = strstr(text, "AnonHugePages:");
    if (!at) {
        return error_set(error, ERROR_UNSUPPORTED,
                         "/proc/meminfo has no AnonHugePages");
    }
    *bytes = g_ascii_strtoull(at + strlen("AnonHugePages:"), NULL, 10) * 1024;
    return true;
}

/* The sum of the machine has grown by what the guest has got: nobody else may
 * have come or gone, and that is checked at the end. */
static bool
watch_tool(VmTool *tool, VmPair *pair, Curve *curve, BenchRegain *regain,
           GError **error)
{
    uint64_t before, now, huge, rss;
    if (!machine_bytes(&before, error)) {
        return false;
    }
    uint64_t already = curve->bytes;
    bool over = false;
    while (!over) {
        g_usleep(COUNTER_US);
        over = vm_child_has_ended(vm_tool_child(tool), NULL) ||
               ms_since(curve->start_ns) > TOOL_MS;
        if (!machine_bytes(&now, error)) {
            return false;
        }
        note(curve, now > before ? now - before + already : already);
    }
    regain->took_ms = ms_since(curve->start_ns);
    if (!vm_look_huge(pair->destination, &huge, &rss, error)) {
        return false;
    }
    uint64_t counted = now > before ? now - before + already : already;
    if (ABS((gint64)(counted - huge)) > (gint64)(rss / 50)) {
        fprintf(stderr,
                "the machine has %" G_GUINT64_FORMAT " MiB of huge pages more "
                "than before, the guest %" G_GUINT64_FORMAT ": somebody else "
                "uses them, and when 95%% were reached is not known\n",
                counted >> 20, huge >> 20);
        curve->to_95_ms = 0;
    }
    return true;
}

static bool
sweep(const BenchRegainPlan *plan, VmPair *pair, Curve *curve,
      BenchRegain *regain, GError **error)
{
    g_autofree char *pid =
        g_strdup_printf("%d", (int)vm_qemu_pid(pair->destination));
    const char *args[7] = {"--pid", pid, "--json"};
    if (plan->way == BENCH_REGAIN_FAST) {
        args[3] = "--fast";
    } else if (plan->duty) {
        args[3] = "--duty";
        args[4] = plan->duty;
    }
    curve->start_ns = fd_now_ns();
    g_autoptr(VmTool) tool = vm_tool_start("collapse", args, false, error);
    int code;
    if (!tool || !watch_tool(tool, pair, curve, regain, error) ||
        !vm_tool_wait(tool, 1000, &code, error)) {
        return false;
    }
    g_autofree char *text = vm_tool_stdout(tool);
    g_autofree char *words = vm_tool_stderr(tool);
    if (code != 0) {
        return error_set(error, ERROR_FAILED,
                         "postlude collapse exited with %d; it said: %s", code,
                         words);
    }
    regain->report = json_from_string(text, error);
    return regain->report != NULL;
}

static bool
let_khugepaged(const BenchRegainPlan *plan, VmPair *pair,
               BenchKhugepaged *khugepaged, Curve *curve, BenchRegain *regain,
               GError **error)
{
    curve->start_ns = fd_now_ns();
    if (!bench_khugepaged_set(khugepaged,
                              plan->way == BENCH_REGAIN_AGGRESSIVE
                                  ? BENCH_KHUGEPAGED_AGGRESSIVE
                                  : BENCH_KHUGEPAGED_AS_FOUND,
                              error)) {
        return false;
    }
    while (curve->to_95_ms == 0 && ms_since(curve->start_ns) < plan->limit_ms) {
        uint64_t huge, rss;
        g_usleep(SMAPS_US);
        if (!vm_look_huge(pair->destination, &huge, &rss, error)) {
            return false;
        }
        note(curve, huge);
    }
    regain->took_ms = ms_since(curve->start_ns);
    if (!bench_khugepaged_set(khugepaged, BENCH_KHUGEPAGED_ASLEEP, error)) {
        return false;
    }
    if (curve->to_95_ms == 0) {
        extrapolate(curve, regain);
    }
    return true;
}

bool
bench_regain_run(const BenchRegainPlan *plan, VmPair *pair,
                 BenchKhugepaged *khugepaged, BenchRegain *regain,
                 GError **error)
{
    Curve curve = {.start_ns = fd_now_ns()};
    bool ok = vm_look_huge(pair->destination, &curve.bytes, &curve.rss_bytes,
                           error);
    curve.goal_bytes = (uint64_t)((double)curve.rss_bytes * GOAL);
    switch (plan->way) {
    case BENCH_REGAIN_NONE:
        g_usleep((gulong)plan->none_ms * 1000);
        regain->took_ms = ms_since(curve.start_ns);
        break;
    case BENCH_REGAIN_DEFAULT:
    case BENCH_REGAIN_FAST:
        ok = ok && sweep(plan, pair, &curve, regain, error);
        break;
    default:
        ok = ok && let_khugepaged(plan, pair, khugepaged, &curve, regain,
                                  error);
    }
    if (curve.to_95_ms > 0) {
        regain->to_95_ms = curve.to_95_ms;
    }
    return ok && vm_look_huge(pair->destination, &regain->huge_bytes,
                              &regain->rss_bytes, error);
}

void
bench_regain_clear(BenchRegain *regain)
{
    g_clear_pointer(&regain->report, json_node_unref);
}
