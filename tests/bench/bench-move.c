/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Moves a fresh guest once, by one of three ways, and says what it cost: a
 * line for a person on stdout, and a JSON object appended as one line to
 * --json FILE. run.sh runs it many times and table.py sums up. A run that went
 * wrong is a line too ("failed"), and exit status 1.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/bench/bench-guest.h"
#include "tests/bench/bench-run.h"
#include "tests/bench/bench-warm.h"
#include "tests/bench/bench-watch.h"

#define FILL_TIMEOUT_MS 120000
#define TCG_APPEND "mib=%d hot=%d scan=16 report=100"
/* A 32-bit guest without paging is emulated instruction by instruction: one
 * word of a page is what it can do in 130 us. */
#define KVM_APPEND "mib=%d scan=2 stride=1024 slow=1000 report=100"

static const char *const ways[] = {"native", "preempt", "postlude"};

/* With TLS it is a way of its own in the table. */
static const char *
name_of(const BenchPlan *plan)
{
    return plan->tls_psk ? "tls" : ways[plan->way];
}

/* Seven tenths of RAM in random use under TCG; under KVM what can be filled in
 * a few seconds. */
static char *
guest_words(const BenchPlan *plan)
{
    int mib = plan->ram_mib * 7 / 10;
    return plan->kvm ? g_strdup_printf(KVM_APPEND, MIN(mib, 24))
                     : g_strdup_printf(TCG_APPEND, mib, mib);
}

static VmPair *
start_pair(const BenchPlan *plan, const char *words, GError **error)
{
    VmQemuOptions options = {
        .version = plan->version,
        .kvm = plan->kvm,
        .memory = {{.kind = plan->private_ram ? VM_MEMORY_RAM : VM_MEMORY_FILE,
                    .mib = (unsigned)plan->ram_mib}},
        .append = words,
    };
    return vm_pair_start(&options, plan->version, FILL_TIMEOUT_MS, error);
}

/* More than twice the guest for either way: its RAM, what lies in sockets, and
 * as much again, because what is freed here is not all that is taken next. */
static double
warm(const BenchPlan *plan)
{
    uint64_t ram_bytes = (uint64_t)plan->ram_mib << 20;
    return plan->way == BENCH_POSTLUDE
               ? bench_warm(ram_bytes, ram_bytes / 4 * 5)
               : bench_warm(ram_bytes / 4 * 9, 0);
}

/* The order matters: the guest must have been alone for a while for the
 * baseline, and no second may pass between warm memory and its use. */
static bool
get_ready(const BenchPlan *plan, VmPair *pair, BenchRun *run, GError **error)
{
    g_usleep((gulong)plan->undisturbed_ms * 1000);
    if (!bench_guest_now(pair->source, &run->baseline_to, error) ||
        (plan->way != BENCH_POSTLUDE &&
         !bench_native_prepare(plan, pair, error)) ||
        !bench_watch_begin(pair, error)) {
        return false;
    }
    run->warm_ms = warm(plan);
    return bench_guest_now(pair->source, &run->before, error) &&
           bench_cpu_take(pair->source, &run->source_cpu, error) &&
           bench_cpu_take(pair->destination, &run->destination_cpu, error);
}

static bool
spent_since(VmQemu *vm, BenchCpu *cpu, GError **error)
{
    BenchCpu before = *cpu;
    if (!bench_cpu_take(vm, cpu, error)) {
        return false;
    }
    bench_cpu_subtract(cpu, &before);
    return true;
}

static bool
move(const BenchPlan *plan, VmPair *pair, BenchRun *run, GError **error)
{
    double busy_ms, steal_ms;
    bench_cpu_machine(&busy_ms, &steal_ms);
    if (!(plan->way == BENCH_POSTLUDE
              ? bench_postlude_move(plan, pair, run, error)
              : bench_native_move(plan, pair, run, error)) ||
        !spent_since(pair->source, &run->source_cpu, error) ||
        !spent_since(pair->destination, &run->destination_cpu, error)) {
        return false;
    }
    bench_cpu_machine(&run->busy_ms, &run->steal_ms);
    run->busy_ms -= busy_ms;
    run->steal_ms -= steal_ms;
    return bench_watch_once(pair, NULL, 0, 0, run, error);
}

static bool
look_after(const BenchPlan *plan, VmPair *pair, BenchRun *run, GError **error)
{
    uint64_t last;
    if (!bench_guest_next(pair, &run->missing_to, &run->wrong_words, error) ||
        !bench_guest_now(pair->source, &run->missing_from, error) ||
        !vm_look_huge(pair->destination, &run->huge_bytes, &run->rss_bytes,
                      error)) {
        return false;
    }
    g_usleep((gulong)plan->after_ms * 1000);
    return vm_look_huge(pair->destination, &run->huge_after_bytes,
                        &run->rss_after_bytes, error) &&
           bench_guest_next(pair, &last, &run->wrong_words, error);
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
put_cpu(JsonBuilder *json, const char *name, const BenchCpu *qemu,
        const BenchHelper *helper)
{
    json_builder_set_member_name(json, name);
    json_builder_begin_object(json);
    put_number(json, "qemu_ms", qemu->process_ms);
    put_number(json, "vcpu_ms", qemu->vcpu_ms);
    put_number(json, "qemu_without_vcpu_ms", qemu->process_ms - qemu->vcpu_ms);
    put_number(json, "helper_ms", helper->cpu_ms);
    put_number(json, "migration_ms",
               qemu->process_ms - qemu->vcpu_ms + helper->cpu_ms);
    put_number(json, "helper_own_peak_kib", (double)helper->own_peak_kib);
    json_builder_end_object(json);
}

static void
put_node(JsonBuilder *json, const char *name, JsonNode *node)
{
    if (node) {
        json_builder_set_member_name(json, name);
        json_builder_add_value(json, json_node_copy(node));
    }
}

static double
since_start_ms(const BenchRun *run, gint64 us)
{
    return us ? (double)(us - run->start_us) / 1e3 : 0;
}

static void
put_run(JsonBuilder *json, const BenchRun *run)
{
    put_number(json, "warm_ms", run->warm_ms);
    put_number(json, "total_ms", since_start_ms(run, run->last_page_us));
    put_number(json, "over_ms", since_start_ms(run, run->over_us));
    put_number(json, "stop_ms", since_start_ms(run, run->stop_us));
    put_number(json, "downtime_ms",
               (double)(run->resume_us - run->stop_us) / 1e3);
    put_number(json, "receive_exit_ms",
               since_start_ms(run, run->receive.exit_us));
    put_number(json, "send_exit_ms", since_start_ms(run, run->send.exit_us));
    put_cpu(json, "source_cpu", &run->source_cpu, &run->send);
    put_cpu(json, "destination_cpu", &run->destination_cpu, &run->receive);
    double ours = run->source_cpu.process_ms + run->destination_cpu.process_ms +
                  run->send.cpu_ms + run->receive.cpu_ms;
    put_number(json, "others_cpu_ms", MAX(0, run->busy_ms - ours));
    put_number(json, "steal_ms", run->steal_ms);
    put_number(json, "wrong_words", (double)run->wrong_words);
    put_number(json, "huge_bytes", (double)run->huge_bytes);
    put_number(json, "rss_bytes", (double)run->rss_bytes);
    put_number(json, "huge_after_bytes", (double)run->huge_after_bytes);
    put_number(json, "rss_after_bytes", (double)run->rss_after_bytes);
    put_node(json, "query_migrate", run->native);
    put_node(json, "send_report", run->sent);
    put_node(json, "receive_report", run->received);
}

static void
put_plan(JsonBuilder *json, const BenchPlan *plan, const char *words)
{
    double load[1] = {-1};
    getloadavg(load, 1);
    put_text(json, "way", name_of(plan));
    put_text(json, "qemu", plan->version == VM_QEMU_10 ? "10.0" : "7.2");
    put_text(json, "accel", plan->kvm ? "kvm" : "tcg");
    put_text(json, "ram", plan->private_ram ? "private" : "file");
    put_text(json, "guest", words);
    put_number(json, "ram_mib", plan->ram_mib);
    put_number(json, "load_before", load[0]);
}

static void
put_version(JsonBuilder *json, VmPair *pair)
{
    int major, minor, micro;
    qmp_client_version(vm_qemu_monitor(pair->source), &major, &minor, &micro);
    g_autofree char *text = g_strdup_printf("%d.%d.%d", major, minor, micro);
    put_text(json, "qemu_version", text);
}

static void
say(const BenchPlan *plan, const BenchRun *run, const char *guest)
{
    printf("%-8s qemu %-4s %s: total %4.0f ms, down %5.1f ms, %s, "
           "cpu src %4.0f dst %4.0f ms, huge %" G_GUINT64_FORMAT "/%"
           G_GUINT64_FORMAT " MiB, %" G_GUINT64_FORMAT
           " wrong, others %.0f%%\n",
           name_of(plan), plan->version == VM_QEMU_10 ? "10.0" : "7.2",
           plan->kvm ? "kvm" : "tcg", since_start_ms(run, run->last_page_us),
           (double)(run->resume_us - run->stop_us) / 1e3, guest,
           run->source_cpu.process_ms - run->source_cpu.vcpu_ms +
               run->send.cpu_ms,
           run->destination_cpu.process_ms - run->destination_cpu.vcpu_ms +
               run->receive.cpu_ms,
           run->huge_bytes >> 20, run->rss_bytes >> 20, run->wrong_words,
           100 *
               MAX(0, run->busy_ms - run->source_cpu.process_ms -
                          run->destination_cpu.process_ms - run->send.cpu_ms -
                          run->receive.cpu_ms) /
               MAX(1, since_start_ms(run, run->over_us)));
    fflush(stdout);
}

static bool
run_once(const BenchPlan *plan, const char *words, JsonBuilder *json,
         GError **error)
{
    g_auto(BenchRun) run = {0};
    g_autoptr(GString) guest = g_string_new(NULL);
    g_autoptr(VmPair) pair = start_pair(plan, words, error);
    if (!pair || !get_ready(plan, pair, &run, error) ||
        !move(plan, pair, &run, error) ||
        !look_after(plan, pair, &run, error)) {
        return false;
    }
    put_version(json, pair);
    put_run(json, &run);
    if (!bench_guest_put(pair, &run, plan->kvm, json, guest, error)) {
        return false;
    }
    say(plan, &run, guest->str);
    return true;
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
choose(BenchPlan *plan, const char *way, const char *qemu, GError **error)
{
    for (size_t i = 0; i < G_N_ELEMENTS(ways); i++) {
        if (g_strcmp0(way, ways[i]) == 0) {
            plan->way = (BenchWay)i;
            plan->version = g_strcmp0(qemu, "10.0") == 0 ? VM_QEMU_10
                                                         : VM_QEMU_HOST;
            if (plan->way == BENCH_POSTLUDE ? plan->private_ram
                                            : plan->tls_psk != NULL) {
                break;
            }
            return true;
        }
    }
    return error_set(error, ERROR_USAGE,
                     "--way takes native, preempt or postlude; postlude "
                     "needs RAM in a file, and only it knows --tls-psk");
}

static int
fail(const char *way, const GError *why)
{
    fprintf(stderr, "bench-move %s: %s\n", way ? way : "", why->message);
    return error_is(why, ERROR_USAGE) ? 2 : 1;
}

int
main(int argc, char **argv)
{
    BenchPlan plan = {.ram_mib = 1024, .undisturbed_ms = 2000,
                      .after_ms = 10000};
    g_autofree char *way = NULL, *qemu = NULL, *json_path = NULL;
    const GOptionEntry entries[] = {
        {"way", 0, 0, G_OPTION_ARG_STRING, &way, "native, preempt, postlude",
         "WAY"},
        {"qemu", 0, 0, G_OPTION_ARG_STRING, &qemu,
         "7.2 (this host's) or 10.0 (of get-qemu10.sh)", "VERSION"},
        {"kvm", 0, 0, G_OPTION_ARG_NONE, &plan.kvm, "KVM, not TCG", NULL},
        {"private", 0, 0, G_OPTION_ARG_NONE, &plan.private_ram,
         "Anonymous RAM (not for postlude)", NULL},
        {"ram", 0, 0, G_OPTION_ARG_INT, &plan.ram_mib, "Guest RAM (1024)",
         "MIB"},
        {"streams", 0, 0, G_OPTION_ARG_INT, &plan.streams,
         "Bulk connections of postlude", "N"},
        {"tls-psk", 0, 0, G_OPTION_ARG_FILENAME, &plan.tls_psk,
         "Postlude by TLS with this key", "FILE"},
        {"undisturbed", 0, 0, G_OPTION_ARG_INT, &plan.undisturbed_ms,
         "How long the guest runs alone before (2000)", "MS"},
        {"after", 0, 0, G_OPTION_ARG_INT, &plan.after_ms,
         "When coverage is looked at again (10000)", "MS"},
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
    g_autofree char *lack = vm_qemu_why_not(plan.version, plan.kvm);
    if (lack) {
        fprintf(stderr, "bench-move: %s\n", lack);
        return 77;
    }
    g_autofree char *words = guest_words(&plan);
    g_autoptr(JsonBuilder) json = json_builder_new();
    json_builder_begin_object(json);
    put_plan(json, &plan, words);
    bool ok = run_once(&plan, words, json, &why);
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
