/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the tests with libvirt claim, one sentence per function; a claim that
 * is not true ends the test with what was found instead. Main thread only.
 */
#pragma once

#include "tests/support/libvirt-domain.h"

/* Two hosts; NULL if that cannot be here: then the case is marked and has to
 * return. */
LibvirtRig *libvirt_expect_rig(void);
LibvirtRig *libvirt_expect_rig_of(const LibvirtRigOptions *options);

/* The same with QEMUs of root: they may use /dev/kvm on any machine, and do
 * postcopy of their own where vm.unprivileged_userfaultfd is 0. */
LibvirtRig *libvirt_expect_root_rig(void);

/* A domain of these options runs on host a, with its memory filled. */
LibvirtDomain *libvirt_expect_domain(LibvirtRig *rig,
                                     const LibvirtDomainOptions *options);

/* Plain "virsh migrate FLAGS" takes it from FROM to the other host,
 * where it runs. */
void libvirt_expect_plain_move(LibvirtDomain *domain, const char *from,
                               const char *const *flags);

/* libvirt's own postcopy does, and really was one. */
void libvirt_expect_postcopy(LibvirtDomain *domain, const char *from);

/* It runs on HOST and not on the other, checks all its memory twice from now
 * on, and finds no wrong word. */
void libvirt_expect_runs(LibvirtDomain *domain, const char *host);

/* Nothing of postlude is left in its QEMU on HOST. */
void libvirt_expect_clean(LibvirtDomain *domain, const char *host);

/* On HOST at least PERCENT of what is resident of its RAM is huge. */
void libvirt_expect_huge(LibvirtDomain *domain, const char *host,
                         double percent);

/* On HOST less than a quarter of it is huge but for what khugepaged has made
 * since it had made KHUGEPAGED_BYTES (khugepaged.h): nobody has swept it. What
 * the precopy phase has brought is huge from the start, and how much that is
 * depends on when virsh gets its turn. */
void libvirt_expect_small(LibvirtDomain *domain, const char *host,
                          uint64_t khugepaged_bytes);

/* Before long none of postlude's processes runs on HOST, and no token lies
 * about. */
void libvirt_expect_idle(LibvirtRig *rig, const char *host);

/* Before long it is so huge. */
void libvirt_expect_becomes_huge(LibvirtDomain *domain, const char *host,
                                 double percent);

/* ARGV on HOST ends with status 0; its stdout, owned. */
char *libvirt_expect_run(LibvirtRig *rig, const char *host,
                         const char *const *argv);
