/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A terminal of some width on which a test has a program draw. Main thread only.
 */
#pragma once

#include "tests/support/vm-child.h"

/* How a line is taken back before the next is drawn. */
#define VM_SCREEN_TAKE_BACK "\r\033[K"

typedef struct {
    int ours, theirs;
    char path[64]; /* of the terminal */
    VmChild *child;
    GString *said; /* all that was drawn so far */
} VmScreen;

/* Runs ARGV with its stderr there. */
void vm_screen_start(VmScreen *screen, unsigned short columns,
                     const char *const *argv);

/* From now on it has so many, which the program is told. */
void vm_screen_resize(VmScreen *screen, unsigned short columns);

/* What has been drawn by now. */
void vm_screen_take_in(VmScreen *screen);

/* Until TEXT is drawn from now on; ends the test if it is not. */
void vm_screen_wait(VmScreen *screen, const char *text);

/* The program ends by itself with status 0. */
void vm_screen_expect_end(VmScreen *screen);

void vm_screen_clear(VmScreen *screen);
