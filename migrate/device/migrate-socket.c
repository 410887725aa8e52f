/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The local end of QEMU's migration stream: see migrate-socket.h.
 */
#include "migrate/device/migrate-socket.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/fd.h"

int
migrate_socket_give(QmpClient *client, GError **error)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        error_set_errno(error, errno, "a socket pair for QEMU");
        return -1;
    }
    autofd ours = ends[0], theirs = ends[1];
    bool ok = qmp_qemu_getfd(client, theirs, MIGRATE_SOCKET_NAME, error);
    return ok ? fd_steal(&ours) : -1;
}

void
migrate_socket_forget(QmpClient *client)
{
    qmp_qemu_closefd(client, MIGRATE_SOCKET_NAME, NULL);
}
