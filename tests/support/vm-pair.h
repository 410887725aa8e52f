/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two QEMUs of the same hardware, one with the witness running, one waiting
 * for a migration; and postlude between them. Main thread only.
 */
#pragma once

#include "tests/support/vm-look.h"
#include "tests/support/vm-qemu.h"
#include "tests/support/vm-tool.h"
#include "tests/support/witness-log.h"

typedef struct {
    VmQemu *source;
    VmQemu *destination;
    unsigned port; /* free on 127.0.0.1 when the pair was started */
} VmPair;

/* The source as OPTIONS say, the destination the same with -incoming defer
 * and of DESTINATION_VERSION. Waits until the witness has filled its memory,
 * for FILL_TIMEOUT_MS. Memory files with a name of their own are refused: both
 * sides would share them. */
VmPair *vm_pair_start(const VmQemuOptions *options,
                      VmQemuVersion destination_version, int fill_timeout_ms,
                      GError **error);

/* The same with a destination whose options are its own, but for -incoming. */
VmPair *vm_pair_start_two(const VmQemuOptions *source,
                          const VmQemuOptions *destination,
                          int fill_timeout_ms, GError **error);

/* The same without waiting for the witness: another guest, or a paused one. */
VmPair *vm_pair_start_idle(const VmQemuOptions *source,
                           const VmQemuOptions *destination, GError **error);

/* After a migration: the destination becomes the source, the old source ends,
 * and a fresh QEMU of its options waits for the guest. */
bool vm_pair_turn(VmPair *pair, GError **error);

/* After a failure: a fresh destination in the place of the old one. */
bool vm_pair_renew_destination(VmPair *pair, GError **error);
void vm_pair_free(VmPair *pair);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmPair, vm_pair_free)

/* "postlude send" at the source, back when it listens; "postlude receive" at
 * the destination. EXTRA: more arguments, NULL-terminated, or NULL. */
VmTool *vm_pair_send(VmPair *pair, const char *const *extra, GError **error);
VmTool *vm_pair_receive(VmPair *pair, const char *const *extra,
                        GError **error);

/* The same through HOST:PORT of a proxy that stands before the source. */
VmTool *vm_pair_receive_from(VmPair *pair, const char *host_port,
                             const char *const *extra, GError **error);

/* A port of 127.0.0.1 that nobody uses now. */
bool vm_pair_find_port(unsigned *port, GError **error);

/* Waits until somebody listens on 127.0.0.1:PORT, without connecting. */
bool vm_pair_wait_listening(unsigned port, int timeout_ms, GError **error);

/* Both, to the end: both must exit with 0 within TIMEOUT_MS. *SENT and
 * *RECEIVED (each may be NULL) get their reports. */
bool vm_pair_migrate(VmPair *pair, int timeout_ms, JsonNode **sent,
                     JsonNode **received, GError **error);

/* The same with more arguments to both, NULL-terminated. */
bool vm_pair_migrate_with(VmPair *pair, const char *const *extra,
                          int timeout_ms, JsonNode **sent,
                          JsonNode **received, GError **error);

/* What the witness has printed on both sides, as one log. */
WitnessLog *vm_pair_witness(VmPair *pair, GError **error);

/* Waits until the witness on the destination has checked all its pages SCANS
 * times from now on. Two are needed to be sure of each page once: the first
 * may have begun before. Fails at the first wrong word. */
bool vm_pair_wait_scans(VmPair *pair, unsigned scans, int timeout_ms,
                        GError **error);

/* The guest is left as it was found, on both sides: nothing of ours in QEMU,
 * x-ignore-shared off, and QEMU the only mapper of its RAM. */
bool vm_pair_check_left_clean(VmPair *pair, GError **error);
