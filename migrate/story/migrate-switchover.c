/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The switchover, whoever drives QEMU: see migrate-switchover.h.
 */
#include "migrate/story/migrate-switchover.h"

#include "migrate/drive/migrate-driver.h"

bool
migrate_switchover_source(MigrateSession *session, GError **error)
{
    const MigrateDriver *driver = session->driver;
    g_autoptr(GError) why = NULL;
    bool carried = driver->open(session, &why) &&
                   driver->freeze(session, &why) &&
                   migrate_driver_serve(session, &why) &&
                   driver->carry(session, &why);
    if (!carried && !driver->is_too_late(session, &why)) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    return driver->commit(session, error);
}

bool
migrate_switchover_destination(MigrateSession *session, GError **error)
{
    return session->driver->arrive(session, error);
}

void
migrate_switchover_undo_source(MigrateSession *session)
{
    session->driver->source_undo(session);
}

void
migrate_switchover_undo_destination(MigrateSession *session)
{
    session->driver->destination_undo(session);
}

bool
migrate_switchover_postcopy_source(MigrateSession *session, GError **error)
{
    return session->driver->source_postcopy(session, error);
}

bool
migrate_switchover_postcopy_destination(MigrateSession *session,
                                        GError **error)
{
    return session->driver->destination_postcopy(session, error);
}

void
migrate_switchover_forbid(MigrateSession *session)
{
    session->driver->forbid(session);
}
