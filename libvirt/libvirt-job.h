/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libvirt's own migration of a domain, in a thread of its own: one call that
 * takes as long as it takes. Main thread, with the default main context.
 */
#pragma once

#include <stdint.h>

#include "libvirt/libvirt-daemon.h"
#include "libvirt/libvirt-options.h"

typedef struct LibvirtJob LibvirtJob;

/* Starts it. DESTINATION may be NULL with --p2p. DEST_XML and PERSIST_XML are
 * copied; the latter may be NULL. ON_END is called once, on the main thread.
 * DOMAIN and DESTINATION must outlive the job. */
LibvirtJob *libvirt_job_start(virDomainPtr domain, virConnectPtr destination,
                              const LibvirtOptions *options,
                              const char *dest_xml, const char *persist_xml,
                              void (*on_end)(gpointer data), gpointer data);

/* Waits for its end first. */
void libvirt_job_free(LibvirtJob *job);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LibvirtJob, libvirt_job_free)

bool libvirt_job_has_ended(const LibvirtJob *job);

/* After its end: NULL if the domain was moved, else what libvirt said. */
const char *libvirt_job_failure(const LibvirtJob *job);

/* Asks libvirt to give up. It answers at once, and does so when whatever it
 * waits for (the other side's hook) returns. */
void libvirt_job_abort(LibvirtJob *job);

/* What libvirt has to copy itself: disks, if it was asked to, and the state of
 * devices. False if it does not know (yet). */
bool libvirt_job_progress(const LibvirtJob *job, uint64_t *done_bytes,
                          uint64_t *total_bytes);
