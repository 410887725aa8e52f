/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A domain on the two libvirt hosts of a test: defined and started on one,
 * moved by virsh, and looked at wherever it is. Its guest is the witness or
 * the Linux guest, and prints into one file on both. Main thread only.
 */
#pragma once

#include "tests/support/libvirt-rig.h"
#include "tests/support/witness-log.h"

typedef struct {
    const char *name;     /* NULL: "witness" */
    unsigned mib;         /* of RAM; 0: 64, for Linux 256 */
    bool kvm;             /* else TCG */
    bool ordinary;        /* anonymous RAM and no monitor of its own, as
                             libvirt does it; else as postlude wants it */
    bool linux_guest;     /* else the witness */
    const char *append;   /* for the guest; NULL: something that fits */
    const char *metadata; /* the inside of <metadata>, or NULL */
    const char *extra;    /* <qemu:arg>s more, or NULL */
} LibvirtDomainOptions;

typedef struct LibvirtDomain LibvirtDomain;

/* The domain's XML; owned. */
char *libvirt_domain_xml(const LibvirtRig *rig,
                         const LibvirtDomainOptions *options);

/* Defines and starts it on HOST and waits until the guest has filled its
 * memory. The strings in OPTIONS must live as long as the domain. */
LibvirtDomain *libvirt_domain_start(LibvirtRig *rig, const char *host,
                                    const LibvirtDomainOptions *options,
                                    GError **error);

/* The domain goes with the rig: this only forgets it. */
void libvirt_domain_free(LibvirtDomain *domain);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LibvirtDomain, libvirt_domain_free)

LibvirtRig *libvirt_domain_rig(const LibvirtDomain *domain);
const char *libvirt_domain_name(const LibvirtDomain *domain);

/* What the guest printed so far; owned. */
char *libvirt_domain_serial(const LibvirtDomain *domain);

/* "running", "shut off", ...: what HOST says of it; NULL if it is not known
 * there. Owned. */
char *libvirt_domain_state(const LibvirtDomain *domain, const char *host);

/* Its QEMU on HOST, the number of outside; 0 if none runs there. */
pid_t libvirt_domain_pid(const LibvirtDomain *domain, const char *host);

/* Starts "virsh migrate --live FLAGS NAME URI" from FROM to the other. FLAGS
 * may be NULL. */
VmTool *libvirt_domain_start_migrate(LibvirtDomain *domain, const char *from,
                                     const char *const *flags,
                                     GError **error);

/* The same to a good end; the guest stands still meanwhile unless it runs under
 * KVM (see there). */
bool libvirt_domain_migrate(LibvirtDomain *domain, const char *from,
                            const char *const *flags, GError **error);

/* libvirt's own postcopy from FROM to the other: asked for at once and sent so
 * slowly that most of the memory comes after the switchover. Fails if QEMU was
 * done before it got so far. */
bool libvirt_domain_migrate_postcopy(LibvirtDomain *domain, const char *from,
                                     GError **error);

/* Waits until the guest has checked all its memory ROUNDS times from now on:
 * after two each page was seen once. Fails at the first wrong word. */
bool libvirt_domain_wait_rounds(LibvirtDomain *domain, unsigned rounds,
                                int timeout_ms, GError **error);

/* What the kernel says of the guest's RAM on HOST: bytes in huge pages, and
 * bytes resident. */
bool libvirt_domain_huge(const LibvirtDomain *domain, const char *host,
                         uint64_t *huge_bytes, uint64_t *rss_bytes,
                         GError **error);

/* Nothing of postlude is in its QEMU on HOST: no userfaultfd, no RAM under
 * one, nobody else who maps it, x-ignore-shared off. STATE says what is. */
bool libvirt_domain_is_clean(const LibvirtDomain *domain, const char *host,
                             GError **error);
