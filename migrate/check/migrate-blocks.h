/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whose each RAM block of QEMU is, before anything moves: ours to move, private
 * to QEMU and so carried by its own stream, or a reason to refuse. Nothing may
 * be left over: with x-ignore-shared QEMU leaves every shared block to us, and
 * of one that we overlook the guest would find zeros. For 'postlude check' and
 * for send and receive alike.
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

#include "qmp/qmp-client.h"

/* QMP_BLOCKS (from qmp_qemu_ram_blocks) of the QEMU that is PID: a finding for
 * each that is ours or cannot be moved, and one for the rest. */
void migrate_blocks_check(QmpClient *client, const GArray *qmp_blocks,
                          pid_t pid, GPtrArray *findings);

/* The same with PID's mappings (ProcMapping) as they were read. */
void migrate_blocks_judge(QmpClient *client, const GArray *qmp_blocks,
                          const GArray *mappings, GPtrArray *findings);
