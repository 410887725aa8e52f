/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who drives QEMU's migration: we (migrate-own.h), or somebody else, whom we
 * follow (migrate-follow.h). A session has one driver for its whole life. The
 * story asks it and knows nothing else of the difference. Main thread only.
 */
#pragma once

#include "migrate/session/migrate-session.h"

typedef struct MigrateDriver {
    /* The switchover at the source, in this order. */

    /* All was looked at again, and the destination is READY. */
    bool (*open)(MigrateSession *session, GError **error);
    /* The guest stands still and block I/O is drained: RAM is final. */
    bool (*freeze)(MigrateSession *session, GError **error);
    /* Faults are answered from now on: the device state may travel. */
    bool (*let_go)(MigrateSession *session, GError **error);
    /* QEMU has handed the device state over. */
    bool (*carry)(MigrateSession *session, GError **error);
    /* One of these failed (WHY, which may be replaced by what was behind it):
     * true if the point of no return has been passed all the same. */
    bool (*is_too_late)(MigrateSession *session, GError **why);
    /* Passes the point of no return. False: it was not, or the destination said
     * that the guest does not run there. */
    bool (*commit)(MigrateSession *session, GError **error);

    /* The rest of the source's part: until the destination has all pages; the
     * undo of the switchover, also for who takes over; and of whatever an
     * operator began before that. */
    bool (*source_postcopy)(MigrateSession *session, GError **error);
    void (*source_undo)(MigrateSession *session);
    void (*forbid)(MigrateSession *session);

    /* The source, for who takes over: has the point of no return been passed
     * while nobody was here to record it? Sets source.begun; source.unasked,
     * with ERROR, if QEMU cannot be asked. And, if it has been passed: until
     * the destination says that the guest runs there, if that is waited for. */
    bool (*was_passed_unseen)(MigrateSession *session, GError **error);
    bool (*wait_running)(MigrateSession *session, GError **error);

    /* The destination: until the guest runs, or is about to; until its last
     * page is here; the undo. */
    bool (*arrive)(MigrateSession *session, GError **error);
    bool (*destination_postcopy)(MigrateSession *session, GError **error);
    void (*destination_undo)(MigrateSession *session);

    /* The destination, for who takes over. The point of no return was passed:
     * is that to say that the guest has run here? */
    bool (*has_run)(const MigrateSession *session);
    /* False: the guest runs here, and nobody may have started it. KNOWN: the
     * point of no return was passed and recorded. */
    bool (*check_not_started)(MigrateSession *session, bool known,
                              GError **error);
    /* RUN was heard, now or by the one that died: the guest is started, or it
     * is found out whether it was. */
    bool (*go_on)(MigrateSession *session, GError **error);
} MigrateDriver;

/* RAM is final. Faults are answered before QEMU is let go, because loading the
 * device state there can already need RAM; which extents hold data is worked
 * out while the device state travels. */
bool migrate_driver_serve(MigrateSession *session, GError **error);
