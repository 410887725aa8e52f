/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Taking over: see migrate-resume.h.
 */
#include "migrate/story/migrate-resume.h"

#include <string.h>

#include "base/error.h"
#include "migrate/takeover/migrate-archive.h"
#include "migrate/takeover/migrate-claim.h"
#include "migrate/takeover/migrate-journal.h"

/* What the command line says of it counts; the peer's demands have not changed,
 * but a key may have moved. */
static void
take_trust(MigrateOptions *options, MigrateOptions *old)
{
    if (options->tls || options->tls_creds || options->tls_psk) {
        /* Not to name the peer again must not open the door to all others. */
        if (!options->tls_name && options->role == MIGRATE_SEND) {
            options->tls_name = g_steal_pointer(&old->tls_name);
        }
        return;
    }
    options->tls = old->tls;
    options->tls_creds = g_steal_pointer(&old->tls_creds);
    options->tls_psk = g_steal_pointer(&old->tls_psk);
    options->tls_name = g_steal_pointer(&old->tls_name);
}

bool
migrate_resume_find(MigrateOptions *options, MigrateJournal *journal,
                    GError **error)
{
    if (!migrate_archive_find(options, journal, error)) {
        return false;
    }
    MigrateOptions *old = &journal->options;
    /* The one that was given leads to the same place, maybe by a shorter way. */
    if (!options->qmp_path) {
        options->qmp_path = g_steal_pointer(&old->qmp_path);
    }
    g_free(options->address);
    options->address = g_steal_pointer(&old->address);
    options->known = g_steal_pointer(&old->known);
    if (!options->report_path) {
        options->report_path = g_steal_pointer(&old->report_path);
    }
    options->pid = journal->qemu_pid;
    options->insecure = old->insecure;
    take_trust(options, old);
    options->paused = old->paused;
    options->follow = old->follow;
    return true;
}

/* Found without a lock; who else found it may have ended its work since. */
static bool
resume_claim(MigrateSession *session, GError **error)
{
    g_auto(MigrateJournal) journal = {0};
    g_autoptr(GError) why = NULL;
    MigrateRole role = session->options.role;
    session->guest.claim = migrate_claim_take(
        session->guest.pid, session->guest.started,
        role == MIGRATE_SEND ? "send" : "receive", error);
    if (!session->guest.claim) {
        return false;
    }
    bool same = migrate_archive_read(role, session->guest.pid,
                                     session->guest.started, &journal, &why) &&
                memcmp(journal.session, session->peer.id,
                       sizeof journal.session) == 0;
    if (!same) {
        g_clear_pointer(&session->guest.claim, migrate_claim_drop);
    }
    return same || error_set(error, ERROR_STATE,
                             "another process took over from it, and has "
                             "ended since%s%s",
                             why ? ": " : "", why ? why->message : "");
}

bool
migrate_resume_claim(MigrateSession *session, GError **error)
{
    if (!resume_claim(session, error)) {
        session->past_no_return = false; /* not for this process */
        return false;
    }
    session->archive = migrate_archive_open(session->options.role,
                                            session->guest.pid,
                                            session->guest.started, error);
    session->report.vm_name = g_strdup(session->guest.identity.name);
    session->report.vm_uuid = g_strdup(session->guest.identity.uuid);
    session->report.ram_bytes = session->guest.ram->bytes;
    return session->archive != NULL;
}
