/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A guest that has lost its huge pages runs undisturbed for a while, gets them
 * back by one of several ways, and runs on: how long it took, and what the
 * guest noticed. One way per run; a line for a person on stdout, and a JSON
 * object appended as one line to --json FILE. collapse.sh runs it many times
 * and table-collapse.py sums up.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/bench/bench-guest.h"
#include "tests/bench/bench-lost.h"
#include "tests/bench/bench-regain.h"
#include "tests/bench/bench-warm.h"

#define TCG_APPEND "mib=%d hot=%d scan=16 report=50"
/* One word of a page, as in bench-move: a vCPU without paging is emulated. */
#define KVM_APPEND "mib=%d scan=2 stride=1024 slow=%d report=100"
#define KVM_SLOW_US 500
#define CALM_US 1000000

typedef struct {
    BenchPlan guest;
    BenchRegainPlan regain;
    int alone_ms, after_ms; /* undisturbed, before and afterwards */
    int calm_percent;       /* of one core: what others may take before */
    int patience_s;         /* how long to wait for that */
} Plan;

/* Numbers of the witness's lines: the stretches are between them. */
typedef struct {
    uint64_t alone_from, alone_to, regain_from, regain_to, after_to, wrong;
} Lines;

/* What a run came to. */
typedef struct {
    Lines lines;
    BenchRegain regain;
    double others_percent; /* of one core, from "alone" to the end of "after" */
} Result;

static char *
guest_words(const Plan *plan)
{
    int mib = plan->guest.ram_mib * 7 / 10;
    return plan->guest.kvm ? g_strdup_printf(KVM_APPEND, mib, KVM_SLOW_US)
                           : g_strdup_printf(TCG_APPEND, mib, mib);
}

/* CPU time, in ms, of everybody and of those who belong here: this process
 * with its children, and QEMU. Kernel threads are nobody's. */
static bool
cpu_times(VmQemu *vm, double *all_ms, double *ours_ms, GError **error)
{
    BenchCpu qemu;
    double steal_ms;
    struct timespec own;
    if (!bench_cpu_take(vm, &qemu, error)) {
        return false;
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &own);
    bench_cpu_machine(all_ms, &steal_ms);
    *all_ms += steal_ms;
    *ours_ms = qemu.process_ms + bench_cpu_children_ms() +
               (double)own.tv_sec * 1e3 + (double)own.tv_nsec / 1e6;
    return true;
}

/* Warm memory must be used at once, so the guest is alone before that. */
static bool
measure(const Plan *plan, VmPair *pair, BenchKhugepaged *khugepaged,
        Result *result, GError **error)
{
    uint64_t ram_bytes = (uint64_t)plan->guest.ram_mib << 20;
    Lines *lines = &result->lines;
    VmQemu *vm = pair->destination;
    if (!bench_guest_next(pair, &lines->alone_from, &lines->wrong, error)) {
        return false;
    }
    g_usleep((gulong)plan->alone_ms * 1000);
    if (!bench_guest_now(vm, &lines->alone_to, error)) {
        return false;
    }
    bench_warm(0, ram_bytes / 4 * 5);
    if (!bench_guest_now(vm, &lines->regain_from, error) ||
        !bench_regain_run(&plan->regain, pair, khugepaged, &result->regain,
                          error) ||
        !bench_guest_next(pair, &lines->regain_to, &lines->wrong, error)) {
        return false;
    }
    g_usleep((gulong)plan->after_ms * 1000);
    return bench_guest_next(pair, &lines->after_to, &lines->wrong, error);
}

/* A look at the machine: CPU time of others since the last one. */
typedef struct {
    double all_ms, ours_ms;
    uint64_t ns;
} Look;

static bool
look_at_others(VmQemu *vm, Look *look, double *percent, GError **error)
{
    Look before = *look;
    look->ns = fd_now_ns();
    if (!cpu_times(vm, &look->all_ms, &look->ours_ms, error)) {
        return false;
    }
    double others_ms =
        look->all_ms - before.all_ms - (look->ours_ms - before.ours_ms);
    *percent = 100 * MAX(0, others_ms) / ((double)(look->ns - before.ns) / 1e6);
    return true;
}

/* After all the preparations, because what counts is the few seconds that
 * follow; and with the guest stopped, or two that wait for each other's end
 * would both wait for ever. */
static bool
wait_for_calm(const Plan *plan, VmQemu *vm, GError **error)
{
    Look look = {0};
    uint64_t deadline = fd_deadline_ns(plan->patience_s * 1000);
    double percent;
    if (!vm_qemu_command(vm, "stop", NULL, error) ||
        !look_at_others(vm, &look, &percent, error)) {
        return false;
    }
    do {
        g_usleep(CALM_US);
        if (!look_at_others(vm, &look, &percent, error)) {
            return false;
        }
        if (percent > plan->calm_percent && fd_now_ns() > deadline) {
            return error_set(error, ERROR_RETRY,
                             "the machine does not calm down: others take "
                             "%.0f%% of a core", percent);
        }
    } while (percent > plan->calm_percent);
    return vm_qemu_command(vm, "cont", NULL, error);
}

static bool
measure_calmly(const Plan *plan, VmPair *pair, BenchKhugepaged *khugepaged,
               Result *result, GError **error)
{
    Look look = {0};
    double percent;
    return wait_for_calm(plan, pair->destination, error) &&
           look_at_others(pair->destination, &look, &percent, error) &&
           measure(plan, pair, khugepaged, result, error) &&
           look_at_others(pair->destination, &look, &result->others_percent,
                          error);
}

static void
put_number(JsonBuilder *json, const char *name, double value)
{
    json_builder_set_member_name(json, name);
    json_builder_add_double_value(json,
                                  (double)(gint64)(value * 1000 + 0.5) / 1000);
}

static void
put_text(JsonBuilder *json, const char *name, const char *value)
{
    json_builder_set_member_name(json, name);
    json_builder_add_string_value(json, value);
}

static void
put_plan(JsonBuilder *json, const Plan *plan, const char *words)
{
    double load[1] = {-1};
    getloadavg(load, 1);
    put_text(json, "way", bench_regain_names[plan->regain.way]);
    put_text(json, "qemu", plan->guest.version == VM_QEMU_10 ? "10.0" : "7.2");
    put_text(json, "accel", plan->guest.kvm ? "kvm" : "tcg");
    put_text(json, "duty", plan->regain.duty ? plan->regain.duty : "");
    put_text(json, "guest", words);
    put_number(json, "ram_mib", plan->guest.ram_mib);
    put_number(json, "load_before", load[0]);
}

static void
put_result(JsonBuilder *json, const Result *result)
{
    const BenchRegain *regain = &result->regain;
    put_number(json, "others_percent", result->others_percent);
    put_number(json, "took_ms", regain->took_ms);
    put_number(json, "to_95_ms", regain->to_95_ms);
    json_builder_set_member_name(json, "extrapolated");
    json_builder_add_boolean_value(json, regain->extrapolated);
    put_number(json, "rss_bytes", (double)regain->rss_bytes);
    put_number(json, "huge_bytes", (double)regain->huge_bytes);
    put_number(json, "wrong_words", (double)result->lines.wrong);
    if (regain->report) {
        json_builder_set_member_name(json, "report");
        json_builder_add_value(json, json_node_copy(regain->report));
    }
}

static bool
put_guest(JsonBuilder *json, VmPair *pair, const Lines *lines, GString *line,
          GError **error)
{
    return bench_guest_put_lines(pair, "alone", lines->alone_from,
                                 lines->alone_to, json, NULL, error) &&
           bench_guest_put_lines(pair, "regain", lines->regain_from,
                                 lines->regain_to, json, line, error) &&
           bench_guest_put_lines(pair, "after", lines->regain_to,
                                 lines->after_to, json, NULL, error);
}

static void
say(const Plan *plan, const Result *result, const char *guest)
{
    const BenchRegain *regain = &result->regain;
    printf("%-21s qemu %-4s %s: %6.0f ms, 95%% after %.0f ms%s, huge %"
           G_GUINT64_FORMAT "/%" G_GUINT64_FORMAT " MiB; %s, others %.0f%%\n",
           bench_regain_names[plan->regain.way],
           plan->guest.version == VM_QEMU_10 ? "10.0" : "7.2",
           plan->guest.kvm ? "kvm" : "tcg", regain->took_ms, regain->to_95_ms,
           regain->extrapolated ? " (extrapolated)" : "",
           regain->huge_bytes >> 20, regain->rss_bytes >> 20, guest,
           result->others_percent);
    fflush(stdout);
}

static bool
run_guest(const Plan *plan, const char *words, BenchKhugepaged *khugepaged,
          Result *result, JsonBuilder *json, GError **error)
{
    g_autoptr(GString) guest = g_string_new(NULL);
    g_autoptr(VmPair) pair = bench_lost_start(&plan->guest, words, error);
    if (!pair || !measure_calmly(plan, pair, khugepaged, result, error)) {
        return false;
    }
    put_result(json, result);
    if (!put_guest(json, pair, &result->lines, guest, error)) {
        return false;
    }
    say(plan, result, guest->str);
    return result->lines.wrong == 0 ||
           error_set(error, ERROR_FAILED, "%" G_GUINT64_FORMAT " wrong words",
                     result->lines.wrong);
}

static bool
run_once(const Plan *plan, const char *words, JsonBuilder *json,
         GError **error)
{
    Result result = {0};
    g_autoptr(BenchKhugepaged) khugepaged = bench_khugepaged_open(error);
    if (!khugepaged) {
        return false;
    }
    put_text(json, "khugepaged", bench_khugepaged_found(khugepaged));
    bool ok = bench_khugepaged_set(khugepaged, BENCH_KHUGEPAGED_ASLEEP,
                                   error) &&
              run_guest(plan, words, khugepaged, &result, json, error);
    bench_regain_clear(&result.regain);
    return ok;
}

static bool
append_line(const char *path, JsonBuilder *json, GError **error)
{
    g_autoptr(JsonNode) root = json_builder_get_root(json);
    g_autofree char *text = json_to_string(root, false);
    g_autofree char *line = g_strconcat(text, "\n", NULL);
    autofd fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    return fd < 0 ? error_set_errno(error, errno, "cannot open %s", path)
                  : fd_write_all(fd, line, strlen(line), 0, error);
}

static bool
choose(Plan *plan, const char *way, const char *qemu, GError **error)
{
    plan->guest.version = g_strcmp0(qemu, "10.0") == 0 ? VM_QEMU_10
                                                       : VM_QEMU_HOST;
    for (unsigned i = 0; i < BENCH_REGAIN_WAYS; i++) {
        if (g_strcmp0(way, bench_regain_names[i]) == 0) {
            plan->regain.way = (BenchRegainWay)i;
            return true;
        }
    }
    return error_set(error, ERROR_USAGE,
                     "--way takes none, default, fast, khugepaged or "
                     "khugepaged-aggressive");
}

static int
fail(const char *way, const GError *why)
{
    fprintf(stderr, "bench-collapse %s: %s\n", way ? way : "", why->message);
    return error_is(why, ERROR_USAGE) ? 2 : 1;
}

static int
run_and_write(const Plan *plan, const char *way, const char *json_path)
{
    g_autoptr(GError) why = NULL;
    g_autofree char *words = guest_words(plan);
    g_autoptr(JsonBuilder) json = json_builder_new();
    json_builder_begin_object(json);
    put_plan(json, plan, words);
    bool ok = run_once(plan, words, json, &why);
    if (!ok) {
        put_text(json, "failed", why->message);
        fail(way, why);
        g_clear_error(&why);
    }
    json_builder_end_object(json);
    if (json_path && !append_line(json_path, json, &why)) {
        return fail(way, why);
    }
    return ok ? 0 : 1;
}

int
main(int argc, char **argv)
{
    Plan plan = {.guest = {.way = BENCH_NATIVE, .private_ram = true,
                           .ram_mib = 2048},
                 .regain = {.none_ms = 5000, .limit_ms = 45000},
                 .alone_ms = 4000, .after_ms = 3000,
                 .calm_percent = 10, .patience_s = 120};
    g_autofree char *way = NULL, *qemu = NULL, *json_path = NULL, *duty = NULL;
    const GOptionEntry entries[] = {
        {"way", 0, 0, G_OPTION_ARG_STRING, &way,
         "none, default, fast, khugepaged, khugepaged-aggressive", "WAY"},
        {"qemu", 0, 0, G_OPTION_ARG_STRING, &qemu,
         "7.2 (this host's) or 10.0 (of get-qemu10.sh)", "VERSION"},
        {"kvm", 0, 0, G_OPTION_ARG_NONE, &plan.guest.kvm, "KVM, not TCG", NULL},
        {"ram", 0, 0, G_OPTION_ARG_INT, &plan.guest.ram_mib,
         "Guest RAM (2048)", "MIB"},
        {"duty", 0, 0, G_OPTION_ARG_STRING, &duty,
         "Another duty than the default", "P%"},
        {"alone", 0, 0, G_OPTION_ARG_INT, &plan.alone_ms,
         "How long the guest runs alone before (4000)", "MS"},
        {"limit", 0, 0, G_OPTION_ARG_INT, &plan.regain.limit_ms,
         "How long khugepaged is watched (45000)", "MS"},
        {"calm", 0, 0, G_OPTION_ARG_INT, &plan.calm_percent,
         "Begin when others take no more than this of a core (10)", "P"},
        {"patience", 0, 0, G_OPTION_ARG_INT, &plan.patience_s,
         "How long to wait for that (120)", "S"},
        {"json", 0, 0, G_OPTION_ARG_FILENAME, &json_path,
         "Append the run as a line of JSON", "FILE"},
        {0}};
    g_autoptr(GError) why = NULL;
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &why) ||
        !choose(&plan, way, qemu, &why)) {
        fail(way, why);
        return 2;
    }
    plan.regain.duty = duty;
    g_autofree char *lack = vm_qemu_why_not(plan.guest.version,
                                            plan.guest.kvm);
    if (lack) {
        fprintf(stderr, "bench-collapse: %s\n", lack);
        return 77;
    }
    return run_and_write(&plan, way, json_path);
}
