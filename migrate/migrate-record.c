/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Keeping the record up to date: see migrate-record.h.
 */
#include "migrate/migrate-record.h"

#define EVERY_MS 1000

/* Somebody emptied the run-time directory. What holds the guest's memory is not
 * in there; what a successor would need is, and part of it can be made anew. */
bool
migrate_record_look_after(MigrateSession *session, GError **error)
{
    bool removed = false;
    if (!session->claim ||
        migrate_claim_renew(session->claim, &removed, error)) {
        if (removed) {
            g_warning("somebody removed files in the run-time directory that "
                      "are in use; they are made anew as far as that is "
                      "possible, but 'postlude status' does not see this "
                      "process any more, and %s",
                      session->options.role == MIGRATE_SEND
                          ? "QEMU must not be ended: the keeper of its memory "
                            "cannot be reached"
                          : "nobody can take over from it");
        }
        return true;
    }
    return false;
}

/* What has been measured changes all the time, and whoever is killed cannot
 * write it down any more. */
static gboolean
on_record(gpointer data)
{
    MigrateSession *session = data;
    g_autoptr(GError) why = NULL;
    if (!session->past_no_return) {
        return G_SOURCE_CONTINUE;
    }
    bool before = session->unrecorded;
    session->unrecorded = !migrate_session_record(session, &why);
    if (session->unrecorded && !before) {
        g_warning("nobody could take over from this process, so leave it "
                  "running until it ends: %s",
                  why->message);
    } else if (before && !session->unrecorded) {
        g_message("this process can be taken over from again");
    }
    return G_SOURCE_CONTINUE;
}

void
migrate_record_start(MigrateSession *session)
{
    if (!session->recorder) {
        session->recorder = g_timeout_add(EVERY_MS, on_record, session);
    }
}
