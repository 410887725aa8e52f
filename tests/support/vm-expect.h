/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the tests of the whole tool claim, one sentence per function. A claim
 * that is not true ends the test with what was found instead; the children
 * and files of the test are cleaned up by vm-child. Main thread only.
 */
#pragma once

#include "tests/support/vm-pair.h"

/* A pair under TCG of this host's QEMU with MIB of RAM in one aligned tmpfs
 * file each, and the witness in a part of it; waits until it has filled it.
 * NULL if that cannot be here: then the case is marked and has to return. */
VmPair *vm_expect_pair(unsigned mib);

/* The options of such a pair, for those who want another. */
VmQemuOptions vm_expect_options(unsigned mib);

/* A pair of these options; never NULL. */
VmPair *vm_expect_pair_of(const VmQemuOptions *source,
                          const VmQemuOptions *destination);

/* Both verbs, running. */
VmTool *vm_expect_send(VmPair *pair, const char *const *extra);
VmTool *vm_expect_receive(VmPair *pair, const char *const *extra);

/* TOOL ends by itself with exit status CODE, and its stderr contains TEXT. */
void vm_expect_end(VmTool *tool, int timeout_ms, int code, const char *text);

/* The same. False if TOOL says LATE instead: what should end it so had come too
 * late, which nobody could see then; the test has to begin anew. */
bool vm_expect_end_unless(VmTool *tool, int timeout_ms, int code,
                          const char *text, const char *late);

/* "postlude VERB ARGS" ends so at once. */
void vm_expect_refusal(const char *verb, const char *const *args, int code,
                       const char *text);

/* VM's guest, or the one that VM waits for, is refused by VERB ("send",
 * "receive") before anything is touched, with REASON and REMEDY; by "check". */
void vm_expect_refused(VmQemu *vm, const char *verb, const char *reason,
                       const char *remedy);
void vm_expect_check_refuses(VmQemu *vm, const char *reason,
                             const char *remedy);

/* VM comes to the run state STATE, as QEMU names it, within a minute. */
void vm_expect_state(VmQemu *vm, const char *state);

/* TOOL says TEXT on stderr before it ends. */
void vm_expect_says(VmTool *tool, const char *text);

/* It has said TEXT at most N times so far. */
void vm_expect_said(VmTool *tool, const char *text, unsigned n);

/* The witness at VM prints five more beats, and none of its words is wrong. */
void vm_expect_beats(VmQemu *vm);

/* VM's guest runs and beats, and nothing of ours is left in its QEMU. */
void vm_expect_runs(VmQemu *vm);

/* After a refusal or a failure: the same of the source. */
void vm_expect_at_home(VmPair *pair);

/* The destination still waits for a guest, and nothing is left in it. */
void vm_expect_waiting(VmPair *pair);

/* A plain migration of the pair succeeds, every word of the witness is right
 * and nothing is left behind. */
void vm_expect_moves(VmPair *pair);

/* The same of a migration that has been started and is expected to end. */
void vm_expect_arrives(VmPair *pair, VmTool *send, VmTool *receive);

/* The guest that has arrived: two scans without a wrong word, and both sides
 * clean. */
void vm_expect_arrived(VmPair *pair);

/* The number at PATH of a report, which has it: see vm_tool_number(). */
double vm_expect_number(JsonNode *report, const char *path);

/* The journal that a helper of ROLE ("send", "receive") keeps of VM's move, or
 * NULL if there is none; owned by the caller. */
char *vm_expect_journal(VmQemu *vm, const char *role);

/* TOOL, a helper of VM, is killed (-9), and "postlude VERB --resume" with the
 * words of EXTRA (may be NULL) takes over from it. */
VmTool *vm_expect_take_over(VmTool *tool, const char *verb, VmQemu *vm,
                            const char *const *extra);

/* What "postlude status" says of TOOL, which runs, contains TEXT. It leaves out
 * who does not answer within two seconds, so it is asked more than once. */
#define VM_EXPECT_STATUS_TRIES 5
void vm_expect_status(VmTool *tool, const char *text);

/* Two QEMUs of these options, the Linux test guest (vm_linux_set()) ready in the
 * first within TIMEOUT_MS. */
VmPair *vm_expect_linux_pair(const VmQemuOptions *options, int timeout_ms);

/* The Linux test guest goes on in VM for at least MORE ticks from now on, none
 * of them wrong: see vm_linux_ticks(). */
void vm_expect_ticks(VmQemu *vm, int more);

/* The Linux test guest with MIB of RAM, INIT and PROGRAMS, as
 * vm_linux_set_programs() has them, comes to its line "status N" within
 * TIMEOUT_MS; all that it printed, owned. */
char *vm_expect_programs(unsigned mib, const char *init,
                         const char *const *programs, int timeout_ms);

/* Value of the capability NAME. */
bool vm_expect_capability(VmQemu *vm, const char *name);

/* Kills VICTIM with SIGNAL as soon as WATCHED has said WORD (with
 * POSTLUDE_DEBUG=1: "stage prepare", "peer: SWITCHOVER"). False if WATCHED was
 * past the point of no return by then: the test then has to begin anew. */
bool vm_expect_kill_at(VmTool *watched, const char *word, VmChild *victim,
                       int signal);
