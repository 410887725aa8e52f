/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What kind of process is this, and may we borrow from it? Every question is
 * asked of /proc, before the process is touched, so that a refusal has a
 * reason and a remedy instead of ptrace's bare EPERM.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
    char state;       /* R S D T t Z X */
    pid_t tracer;     /* 0: none */
    pid_t process;    /* Tgid: differs from the number if that is a thread */
    bool shadow_stack; /* x86 CET is on in this thread */
} AttachStatus;

/* The text of /proc/PID/status. False if it lacks State, Tgid or TracerPid;
 * then *STATUS is untouched. */
bool attach_target_parse_status(const char *text, AttachStatus *status);

/* True if the text of /proc/PID/stat is that of a kernel thread. */
bool attach_target_is_kernel(const char *stat);

/* True if the first bytes of an ELF file say a program we can borrow from. */
bool attach_target_is_native(const uint8_t *head, size_t bytes);

/* The promise of attach_check(). */
bool attach_target_check(pid_t pid, GError **error);

/* Thread TID of PID. False (no error to report) if it is gone. */
bool attach_target_status(pid_t pid, pid_t tid, AttachStatus *status);

/* The threads of PID, the main one first: GArray of pid_t. VM_GONE. */
GArray *attach_target_threads(pid_t pid, GError **error);
