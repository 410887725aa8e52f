/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Getting to know the guest: see migrate-inspect.h.
 */
#include "migrate/story/migrate-inspect.h"

#include "base/error.h"
#include "base/log.h"
#include "migrate/check/migrate-blocks.h"
#include "migrate/check/migrate-check.h"
#include "migrate/drive/migrate-recheck.h"
#include "migrate/session/migrate-qemu.h"
#include "migrate/takeover/migrate-archive.h"

/* What a helper was killed over does not stand in the way of a new migration: a
 * receiver's, if it had not got as far as to say "cont" (QEMU waits for a guest,
 * and what lies in its RAM is nobody's); a sender's that had not said RUN, if
 * somebody has put QEMU right by hand (see migrate-begun.c). */
static bool
is_settled(MigrateSession *session, const MigrateJournal *journal)
{
    bool on = true;
    if (journal->committed || journal->starting ||
        journal->options.role != session->options.role) {
        return false;
    }
    return journal->options.role == MIGRATE_RECEIVE ||
           (qmp_qemu_get_capability(session->guest.qmp, "x-ignore-shared", &on,
                                    NULL) &&
            !on);
}

static bool
report_interrupted(MigrateSession *session, const MigrateJournal *journal,
                   GError **error)
{
    bool receive = journal->options.role == MIGRATE_RECEIVE;
    const char *verb = receive ? "receive" : "send";
    return error_set(
        error, ERROR_STATE,
        "a 'postlude %s' on QEMU %d was killed in the middle of a migration "
        "(%s)%s; run 'postlude %s --resume' first, which %s, or 'postlude %s "
        "--give-up' if you know that nobody needs it any more",
        verb, (int)session->guest.pid, journal->options.address,
        receive ? ", and a part of the guest's memory may still be on the "
                  "host that it came from"
                : "",
        verb,
        receive || journal->committed ? "goes on with it" : "takes it back",
        verb);
}

static bool
check_not_interrupted(MigrateSession *session, MigrateRole role,
                      GError **error)
{
    g_auto(MigrateJournal) journal = {0};
    g_autoptr(GError) why = NULL;
    if (migrate_archive_read(role, session->guest.pid, session->guest.started,
                             &journal, &why)) {
        return is_settled(session, &journal) ||
               report_interrupted(session, &journal, error);
    }
    return !why || error_set(error, ERROR_STATE,
                             "a helper worked on QEMU %d before, and what it "
                             "left cannot be read: %s",
                             (int)session->guest.pid, why->message);
}

static bool
refuse_what_is_unsafe(MigrateSession *session, GError **error)
{
    bool destination = session->options.role == MIGRATE_RECEIVE;
    g_autoptr(GPtrArray) findings = migrate_findings_new();
    GArray *blocks = session->guest.blocks =
        qmp_qemu_ram_blocks(session->guest.qmp, error);
    if (!blocks) {
        return false;
    }
    migrate_check_host(destination, findings);
    migrate_check_capability(session->guest.qmp, findings);
    migrate_blocks_check(session->guest.qmp, blocks, session->guest.pid,
                         findings);
    migrate_check_devices(session->guest.qmp, findings);
    if (!migrate_findings_judge(findings, error)) {
        return false;
    }
    session->guest.ram =
        migrate_ram_new(blocks, session->guest.pid, destination, error);
    if (!session->guest.ram) {
        return false;
    }
    g_autoptr(GPtrArray) more = migrate_findings_new();
    migrate_check_ram(session->guest.ram, session->guest.pid, more);
    return migrate_findings_judge(more, error);
}

bool
migrate_inspect_guest(MigrateSession *session, GError **error)
{
    if (!migrate_qemu_open(session, error) ||
        !qmp_qemu_identity(session->guest.qmp, &session->guest.identity,
                           error)) {
        return false;
    }
    if (session->guest.identity.name && session->guest.identity.name[0]) {
        log_set_vm(session->guest.identity.name);
    }
    if (!check_not_interrupted(session, MIGRATE_RECEIVE, error) ||
        !check_not_interrupted(session, MIGRATE_SEND, error) ||
        !migrate_recheck_idle(session, error) ||
        !migrate_recheck_run_state(session, error) ||
        !migrate_recheck_whole(session, error) ||
        !refuse_what_is_unsafe(session, error)) {
        return false;
    }
    session->report.vm_name = g_strdup(session->guest.identity.name);
    session->report.vm_uuid = g_strdup(session->guest.identity.uuid);
    session->report.ram_bytes = session->guest.ram->bytes;
    return true;
}
