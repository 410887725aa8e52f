/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The real side of the seam of collapse-job.h: one process of this host, its
 * pidfd, the monotonic clock, and a descriptor that says when to stop.
 */
#pragma once

#include "collapse/collapse-job.h"

typedef struct CollapseKernel CollapseKernel;

/* STOP (an eventfd, borrowed) becomes readable when the sweep is to end before
 * its next call: from a signal handler, or from another thread. Errors as
 * collapse_target_open(). */
CollapseKernel *collapse_kernel_open(pid_t pid, int stop, GError **error);
void collapse_kernel_close(CollapseKernel *kernel);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CollapseKernel, collapse_kernel_close)

/* To be given to collapse_job_run(); lives as long as KERNEL. */
const CollapseSeam *collapse_kernel_seam(CollapseKernel *kernel);
