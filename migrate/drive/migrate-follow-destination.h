/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The destination where somebody else (libvirt) drives QEMU: its migration was
 * accepted before we came, and it is started whenever the driver likes. So
 * from READY on this process stays armed as long as QEMU lives, whatever it
 * hears or loses: missing pages would be zeros to a guest that is started
 * then. Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

/* From x-ignore-shared on, over READY and --detach's word to its parent, to
 * RUN or to the guest's first step, whichever is first. False after READY only
 * when QEMU has ended. */
bool migrate_follow_destination_arrive(MigrateSession *session,
                                       GError **error);

/* Until every page is here. False when QEMU has ended: still before the point
 * of no return if the guest never ran here. */
bool migrate_follow_destination_postcopy(MigrateSession *session,
                                         GError **error);
