/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which life of a process number is meant: numbers come back, the time at
 * which a process was started does not. Any thread; nothing is kept.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Field 22 of /proc/PID/stat (proc_pid_stat(5)) from its text: clock ticks
 * since boot. PROTOCOL if TEXT is none such. Pure. */
bool proc_life_parse(const char *text, uint64_t *started, GError **error);

/* When PID was started; VM_GONE if there is no such process. */
bool proc_life_started(pid_t pid, uint64_t *started, GError **error);

/* The process of PIDFD has ended, or does so within WAIT_MS; a signal to us may
 * end the wait early. PIDFD -1 is no process, which does not end. */
bool proc_life_has_ended(int pidfd, int wait_ms);

/* Stops the process PID of PIDFD (SIGSTOP) and waits, WAIT_MS at most, until no
 * thread of it runs another instruction of its program: what it has written by
 * then is all that it writes until proc_life_thaw(). FAILED: a thread was still
 * seen running (thaw all the same); VM_GONE: it has ended. */
bool proc_life_freeze(pid_t pid, int pidfd, int wait_ms, GError **error);
void proc_life_thaw(int pidfd);

/* PID stands still by SIGSTOP or the like. */
bool proc_life_is_stopped(pid_t pid);

/* A pidfd (close-on-exec) of PID if it is still the process that was started
 * at STARTED, else -1 with VM_GONE. */
int proc_life_open(pid_t pid, uint64_t started, GError **error);
