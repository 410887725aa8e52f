/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What both drivers do: see migrate-driver.h.
 */
#include "migrate/drive/migrate-driver.h"

#include "base/fd.h"
#include "migrate/link/migrate-outlet.h"
#include "migrate/session/migrate-mailbox.h"

bool
migrate_driver_serve(MigrateSession *session, GError **error)
{
    session->report.switched_ns = fd_now_ns();
    return migrate_outlet_start_serving(session, error) &&
           session->driver->let_go(session, error) &&
           migrate_outlet_tell_extents(session, true, error) &&
           migrate_session_tell(session, WIRE_FRAME_STOPPED, NULL, error);
}
