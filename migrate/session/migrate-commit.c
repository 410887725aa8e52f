/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The point of no return: see migrate-commit.h.
 */
#include "migrate/session/migrate-commit.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "migrate/session/migrate-record.h"

static void
pass_no_return(MigrateSession *session)
{
    session->operator.interrupted = false; /* a signal that came too late */
    migrate_record_start(session);
    /* Lowering it takes CAP_SYS_RESOURCE; without, we are as likely as any. */
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, "-1000", 5) < 0) {
        g_debug("the OOM killer may take this process: %s",
                g_strerror(errno));
    }
    fd_clear(&fd);
}

bool
migrate_commit(MigrateSession *session, GError **error)
{
    session->past_no_return = true;
    if (!migrate_record_write(session, error)) {
        session->past_no_return = false;
        g_prefix_error(error, "the point of no return cannot be recorded, so "
                              "it is not passed: ");
        return false;
    }
    pass_no_return(session);
    return true;
}

void
migrate_commit_anyway(MigrateSession *session)
{
    session->past_no_return = true;
    migrate_record_or_warn(session);
    pass_no_return(session);
}

void
migrate_commit_take_back(MigrateSession *session)
{
    g_autoptr(GError) why = NULL;
    session->past_no_return = false;
    session->peer.refused = session->options.role == MIGRATE_SEND;
    if (!migrate_record_write(session, &why)) {
        g_warning("the journal cannot be written, so it still says that the "
                  "destination may run the guest (%s): if this process is "
                  "killed now, '--resume' waits for the destination without "
                  "end; then run '--give-up' and 'cont' by hand, see "
                  "docs/failure.md",
                  why->message);
    }
}
