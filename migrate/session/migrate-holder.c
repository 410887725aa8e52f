/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Holding the memory: see migrate-holder.h.
 */
#include "migrate/session/migrate-holder.h"

#include "migrate/confine/migrate-confine.h"
#include "migrate/session/migrate-record.h"
#include "migrate/takeover/migrate-fdstore.h"
#include "migrate/takeover/migrate-keeper.h"

void
migrate_holder_choose(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    g_autofree char *keeper =
        migrate_archive_keeper_path(session->guest.pid, session->guest.started);
    session->archive = migrate_archive_open(MIGRATE_SEND, session->guest.pid,
                                            session->guest.started, &why);
    if (session->archive) {
        /* Of a sender that was killed and whose work somebody put right. */
        migrate_keeper_release(keeper);
        session->source.keeper = migrate_keeper_start(
            session->guest.ram, keeper, migrate_confine_user(), &why);
    }
    if (session->source.keeper < 0) {
        g_warning("crash recovery is off: %s", why->message);
    }
}

/* While the guest still runs here: who would hold its memory, and know what to
 * do with it, if this process were killed? */
void
migrate_holder_prepare(MigrateSession *session)
{
    migrate_keeper_commit(&session->source.keeper);
    migrate_fdstore_put(session->guest.ram);
    migrate_record_or_warn(session);
}

/* Who takes over may be killed as well, and by then QEMU may have ended. */
void
migrate_holder_renew(MigrateSession *session, const char *keeper,
                     bool is_kept)
{
    g_autoptr(GError) why = NULL;
    migrate_fdstore_put(session->guest.ram);
    if (is_kept) {
        return;
    }
    session->source.keeper = migrate_keeper_start(
        session->guest.ram, keeper, migrate_confine_user(), &why);
    if (session->source.keeper < 0) {
        g_warning("crash recovery is off once QEMU has ended: %s",
                  why->message);
    }
    migrate_keeper_commit(&session->source.keeper);
}

void
migrate_holder_release(MigrateSession *session)
{
    g_autofree char *keeper =
        migrate_archive_keeper_path(session->guest.pid, session->guest.started);
    migrate_keeper_release(keeper);
    migrate_fdstore_clear(session->guest.ram);
}
