/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A guest on its way over a bad line: it runs on the destination, and most of
 * its memory is still at the source. Whatever is not so ends the test. Needs
 * POSTLUDE_DEBUG. Main thread only.
 */
#pragma once

#include "tests/support/vm-pair.h"
#include "tests/support/vm-proxy.h"

typedef struct {
    VmPair *pair;
    VmProxy *proxy;
    VmTool *send, *receive;
} VmPassage;

/* A guest of 64 MiB over a line that was given ORDER (fault-order.h), up to
 * postcopy on both sides. False, and nothing to clear, on a host that cannot. */
bool vm_passage_start(VmPassage *passage, const char *order);

/* The same of a guest whose QEMUs have more arguments, EXTRA. */
bool vm_passage_start_with(VmPassage *passage, const char *const *extra,
                           const char *order);

/* The same of a PAIR (taken over) with a guest that is ready to be moved. */
void vm_passage_begin(VmPassage *passage, VmPair *pair, const char *order);

/* It is still on its way; the line is healed, and both ends say that all has
 * arrived. */
void vm_passage_finish(VmPassage *passage, int timeout_ms);
void vm_passage_clear(VmPassage *passage);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(VmPassage, vm_passage_clear)

/* Gives the line ORDER. */
void vm_passage_order(VmProxy *proxy, const char *order);

/* The witness at VM hears KEY ('p', 'r') after its next line. */
void vm_passage_press(VmQemu *vm, char key);

/* Nothing is left of the sender's: no journal, no keeper; its QEMU has given
 * the guest away. */
void vm_passage_let_go(VmPassage *passage);

/* Ends TOOL with -9 and waits for that. */
void vm_passage_kill(VmTool *tool);
