/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Clocks of other processes. The process clock counts in nanoseconds and has
 * the threads that have ended, which /proc/PID/task has not; both matter,
 * because QEMU's migration threads live as long as the migration.
 */
#include "tests/bench/bench-cpu.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/error.h"

/* Milliseconds on a CPU: "sched" counts nanoseconds where the kernel has it,
 * "stat" (after the name, which may hold anything) ticks of 10 ms. */
static bool
read_thread(pid_t pid, gint64 tid, double *ms, GError **error)
{
    g_autofree char *task = g_strdup_printf(
        "/proc/%d/task/%" G_GINT64_FORMAT, pid, tid);
    g_autofree char *sched = g_build_filename(task, "sched", NULL);
    g_autofree char *stat = g_build_filename(task, "stat", NULL);
    g_autofree char *text = NULL;
    if (g_file_get_contents(sched, &text, NULL, NULL)) {
        const char *at = strstr(text, "se.sum_exec_runtime");
        at = at ? strchr(at, ':') : NULL;
        if (at) {
            *ms += g_ascii_strtod(at + 1, NULL);
            return true;
        }
        g_clear_pointer(&text, g_free);
    }
    unsigned long long user, kernel;
    if (!g_file_get_contents(stat, &text, NULL, error)) {
        return false;
    }
    const char *at = strrchr(text, ')');
    if (!at || sscanf(at + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u "
                              "%llu %llu", &user, &kernel) != 2) {
        return error_set(error, ERROR_FAILED, "%s is not understood", stat);
    }
    *ms += (double)(user + kernel) * 1e3 / (double)sysconf(_SC_CLK_TCK);
    return true;
}

static bool
take_vcpus(VmQemu *vm, double *ms, GError **error)
{
    g_autoptr(JsonNode) reply = qmp_client_execute(
        vm_qemu_monitor(vm), "query-cpus-fast", NULL, error);
    if (!reply) {
        return false;
    }
    JsonArray *cpus = json_node_get_array(reply);
    *ms = 0;
    for (guint i = 0; i < json_array_get_length(cpus); i++) {
        JsonObject *cpu = json_array_get_object_element(cpus, i);
        gint64 tid = json_object_get_int_member(cpu, "thread-id");
        if (!read_thread(vm_qemu_pid(vm), tid, ms, error)) {
            return false;
        }
    }
    return true;
}

bool
bench_cpu_take(VmQemu *vm, BenchCpu *cpu, GError **error)
{
    clockid_t clock;
    struct timespec spent;
    int errnum = clock_getcpuclockid(vm_qemu_pid(vm), &clock);
    if (errnum || clock_gettime(clock, &spent) < 0) {
        return error_set_errno(error, errnum ? errnum : EINVAL,
                               "cannot read the CPU clock of QEMU %d",
                               vm_qemu_pid(vm));
    }
    cpu->process_ms = (double)spent.tv_sec * 1e3 + (double)spent.tv_nsec / 1e6;
    return take_vcpus(vm, &cpu->vcpu_ms, error);
}

void
bench_cpu_subtract(BenchCpu *cpu, const BenchCpu *before)
{
    cpu->process_ms -= before->process_ms;
    cpu->vcpu_ms -= before->vcpu_ms;
}

void
bench_cpu_machine(double *busy_ms, double *steal_ms)
{
    g_autofree char *text = NULL;
    unsigned long long user, nice_, system_, idle, iowait, irq, softirq, steal;
    *busy_ms = 0;
    *steal_ms = 0;
    if (g_file_get_contents("/proc/stat", &text, NULL, NULL) &&
        sscanf(text, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &user,
               &nice_, &system_, &idle, &iowait, &irq, &softirq,
               &steal) == 8) {
        double tick_ms = 1000.0 / (double)sysconf(_SC_CLK_TCK);
        *busy_ms = (double)(user + nice_ + system_ + irq + softirq) * tick_ms;
        *steal_ms = (double)steal * tick_ms;
    }
}

double
bench_cpu_children_ms(void)
{
    struct rusage u;
    getrusage(RUSAGE_CHILDREN, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * 1e3 +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e3;
}
