/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * "postlude migrate" of a domain between the two libvirt hosts of a test, and
 * what has to be true after it went well or wrong. As in libvirt-expect.h, a
 * claim that is not true ends the test. Main thread only.
 */
#pragma once

#include "tests/support/libvirt-expect.h"

/* libvirt_expect_rig_of(OPTIONS), which may be NULL; also NULL if this build has
 * no "postlude migrate". */
LibvirtRig *libvirt_journey_rig(const LibvirtRigOptions *options);

/* Starts "postlude migrate NAME URI --insecure FLAGS" on FROM to the other
 * host; FLAGS may be NULL. */
VmTool *libvirt_journey_start(LibvirtDomain *domain, const char *from,
                              const char *const *flags);

/* Kills (-9) the sender of a "postlude migrate" on HOST, waiting for one that is
 * not process OTHER_THAN (as "postlude status" there shows it; 0: any), and
 * returns its number in there. */
gint64 libvirt_journey_kill_sender(LibvirtRig *rig, const char *host,
                                   gint64 other_than);

/* It ends by itself with status CODE and says TEXT on stderr. */
void libvirt_journey_expect_end(VmTool *tool, int code, const char *text);

/* The domain has arrived on HOST: it runs there with every word right and all
 * its memory huge; neither in its QEMU nor in its metadata nor on either host
 * is anything left of postlude. */
void libvirt_journey_expect_arrived(LibvirtDomain *domain, const char *host);

/* All of that together, with a good end. */
void libvirt_journey_expect(LibvirtDomain *domain, const char *from,
                            const char *const *flags);

/* After a failure: it runs on HOST as if nothing had been tried, and nothing
 * is left of the attempt on either host. */
void libvirt_journey_expect_home(LibvirtDomain *domain, const char *host);

/* The monitor of its QEMU that is postlude's; owned. */
char *libvirt_journey_monitor(LibvirtDomain *domain, const char *host);

/* What libvirt on HOST would send of it to another host, but for an empty
 * <metadata/>; owned. */
char *libvirt_journey_xml(LibvirtDomain *domain, const char *host);
