/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One QEMU with its sandbox on, for host tests that attach to it: SeaBIOS and
 * a boot sector that idles or spins. The binary is $QEMU, or the one in PATH.
 * Speaks just enough QMP to ask "are you there?" and to pass a descriptor.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct {
    const char *accel; /* "tcg" or "kvm" */
    bool spin;         /* the guest computes instead of idling */
    bool unprivileged; /* as nobody, without any capability */
} LoneQemuOptions;

typedef struct {
    pid_t pid;
    int monitor;
    char *dir; /* its socket and its disk */
} LoneQemu;

/* False if it cannot be had here: the test case is skipped then. */
bool lone_qemu_start(LoneQemu *qemu, const LoneQemuOptions *options);

/* Sends COMMAND (a line of JSON), with descriptor PASSED if it is not -1, and
 * returns the line that answers it; owned. Ends the test if none comes. */
char *lone_qemu_ask(LoneQemu *qemu, const char *command, int passed);

/* The guest runs and the monitor answers. */
void lone_qemu_prove(LoneQemu *qemu);

void lone_qemu_stop(LoneQemu *qemu);
