/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Runs one system call inside another process. Only the calls of the
 * allow-list can be asked for. See the theory block in attach-remote.c for
 * why the target survives the death of this process at any moment of it.
 */
#pragma once

#include <glib.h>
#include <linux/userfaultfd.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/types.h>

#include "attach/attach-arch.h"

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW _IO(0xAA, 0x00) /* Linux 6.1 */
#endif

/* Runs CALL in PID and stores what it returned (a negative errno if it
 * failed there) in *RESULT. The target stands still for tens of microseconds
 * and is given back in every case. USAGE if the call is not on the list,
 * RETRY if no thread could be stopped in time, STATE if the process is
 * stopped or traced, VM_GONE if it ended. */
bool attach_remote_call(pid_t pid, const AttachCall *call, int64_t *result,
                        GError **error);

/* True if CALL may be made in a target. Pure. */
bool attach_remote_is_allowed(const AttachCall *call);

/* The steps of one borrow, in order. */
typedef enum {
    ATTACH_STEP_SEIZED,
    ATTACH_STEP_STOPPED,
    ATTACH_STEP_SAVED,
    ATTACH_STEP_FRAMED,   /* the frame is written; nothing points to it yet */
    ATTACH_STEP_AIMED,    /* the registers point to the call and the frame */
    ATTACH_STEP_MASKED,   /* all signals blocked */
    ATTACH_STEP_ENTERED,  /* about to make the call */
    ATTACH_STEP_MADE,     /* the call has returned */
    ATTACH_STEP_TRAPPED,  /* stopped again, behind the call */
    ATTACH_STEP_UNMASKED, /* blocked signals as they were */
    ATTACH_STEP_RESTORED, /* registers as they were */
    ATTACH_STEP_DETACHED,
} AttachStep;

/* "seized", "stopped"... */
const char *attach_step_name(AttachStep step);
#define ATTACH_STEPS (ATTACH_STEP_DETACHED + 1)

/* For tests only: what happens at each step, on the tracing thread. Set it
 * before the first call; STEP is NULL in production. PLAIN takes the way that
 * is left when the target has no gadgets. */
typedef struct {
    void (*step)(AttachStep step, void *data);
    void *data;
    bool plain;
} AttachSeam;
extern AttachSeam attach_remote_seam;
