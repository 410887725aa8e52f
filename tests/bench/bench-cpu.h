/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * CPU time that QEMU has spent, told apart by thread: the vCPU's own work is
 * the guest's and differs with how long it could run, the rest is what the
 * migration costs.
 */
#pragma once

#include "tests/support/vm-qemu.h"

typedef struct {
    double process_ms; /* all threads, those that have ended included */
    double vcpu_ms;    /* the vCPU threads */
} BenchCpu;

/* Spent since QEMU was started. */
bool bench_cpu_take(VmQemu *vm, BenchCpu *cpu, GError **error);

/* *CPU becomes what was spent since BEFORE. */
void bench_cpu_subtract(BenchCpu *cpu, const BenchCpu *before);

/* The whole machine since boot: busy time of all cores, and time the
 * hypervisor took away. */
void bench_cpu_machine(double *busy_ms, double *steal_ms);

/* All children that were waited for, and theirs. */
double bench_cpu_children_ms(void);
