/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The scene of every belief: a file on tmpfs, our view of it, and a guest
 * that has another view of it, registered with a userfaultfd that was made in
 * the guest and of which we hold a copy. All of it goes away by scope, and
 * also when the test aborts.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/range.h"
#include "tests/kernel/support/kernel-guest.h"
#include "uffd/uffd-compat.h"
#include "uffd/uffd-fd.h"
#include "uffd/uffd-reader.h"

#define KERNEL_BOTH                                                            \
    (UFFDIO_REGISTER_MODE_MISSING | UFFDIO_REGISTER_MODE_MINOR)

/* How long a guest must hang before the test believes that it does. */
#define KERNEL_HANG_MS 60

/* How long a collapse is asked for again. */
#define KERNEL_AGAIN_MS 10000

typedef struct {
    int file;
    uint64_t bytes;
    uint8_t *ours;   /* our view, 2 MiB aligned; a test that unmaps it sets
                        it to NULL */
    uint64_t theirs; /* the guest's view: no address of ours; aligned too */
    KernelGuest guest;
    int uffd;       /* our copy; -1 before arm */
    int guest_uffd; /* the number it has in the guest */
} KernelFixture;

/* g_test_init() and what our tests share. Names are "/kernel/<case>". */
void kernel_fixture_main(int *argc, char ***argv);

/* Adds a case that needs root's powers (userfaultfd for kernel faults, a copy
 * of another process's descriptor, process_madvise). Without them it is
 * skipped with the reason; with TESTS_MUST_RUN=1 it fails instead. */
void kernel_fixture_add(const char *path, void (*body)(void));

/* The same choice for a need of one case. Returns MET. */
bool kernel_fixture_need(bool met, const char *reason);

/* A file of EXTENTS extents, all hole; two views; the guest. SHIFT bytes are
 * added to the guest's address (page-aligned), 0 for an aligned view. */
void kernel_fixture_init(KernelFixture *fixture, unsigned extents,
                         uint64_t shift);
void kernel_fixture_clear(KernelFixture *fixture);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(KernelFixture, kernel_fixture_clear)

/* Makes the userfaultfd in the guest, copies it here, agrees on our features
 * and on FEATURES, registers the guest's whole view with MODES. */
void kernel_fixture_arm(KernelFixture *fixture, uint64_t modes,
                        uint64_t features);

/* The same with FLAGS for userfaultfd(2). */
void kernel_fixture_arm_with(KernelFixture *fixture, int flags,
                             uint64_t modes, uint64_t features);

/* All at once: the usual scene, MISSING|MINOR. */
void kernel_fixture_init_armed(KernelFixture *fixture, unsigned extents);

/* True, after a moment, if MADV_COLLAPSE that said ERRNUM is worth another
 * call: the kernel had no huge page (ENOMEM) or no time (EAGAIN) for it right
 * then, and the deadline has not passed. */
bool kernel_fixture_again(int errnum, uint64_t deadline_ns);

/* One huge folio of zeros under extent EXTENT of the file, through our view. */
void kernel_fixture_lay(KernelFixture *fixture, unsigned extent);

/* What the first byte of page PAGE is after kernel_fixture_fill(); never 0. */
uint8_t kernel_fixture_byte(uint64_t page);

/* Writes the first byte of every page of the extent through our view. */
void kernel_fixture_fill(KernelFixture *fixture, unsigned extent);

/* Where page PAGE of the file is in the guest's view. */
uint64_t kernel_fixture_hva(const KernelFixture *fixture, uint64_t page);

/* Another descriptor of the guest's userfaultfd. */
int kernel_fixture_copy_uffd(KernelFixture *fixture);

/* The next event, waiting at most 10 seconds; false if none came. */
bool kernel_fixture_event(KernelFixture *fixture, UffdEvent *event);

/* Orders the guest to read PAGE, checks that it hangs and that the fault for
 * that very page arrives; returns the fault. The answer is still due. */
UffdEvent kernel_fixture_trap(KernelFixture *fixture, uint64_t page);

/* process_madvise(MADV_COLLAPSE) on the guest's extent, again while it is worth
 * it. Returns 0 or errno. */
int kernel_fixture_collapse(KernelFixture *fixture, unsigned extent);

/* Bytes of the guest's view that are mapped by huge entries. */
uint64_t kernel_fixture_huge_bytes(KernelFixture *fixture);
