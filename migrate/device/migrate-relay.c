/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The tunnel for device state: see migrate-relay.h.
 */
#include "migrate/device/migrate-relay.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/thread.h"

#define CHUNK (256u * 1024)

struct MigrateRelay {
    int local;
    WireLink *device;
    int stop;
    GThread *thread;
    _Atomic uint64_t bytes;
    uint8_t chunk[CHUNK];
};

/* LOCAL -> DEVICE. False when this direction has ended; however it did, the
 * other side must hear of it, or its QEMU would wait for the rest. */
static bool
carry_out(MigrateRelay *relay)
{
    ssize_t n = recv(relay->local, relay->chunk, CHUNK, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    if (n <= 0) {
        wire_link_shutdown_write(relay->device);
        return false;
    }
    atomic_fetch_add(&relay->bytes, (uint64_t)n);
    return wire_link_write(relay->device, relay->chunk, (size_t)n, NULL);
}

/* DEVICE -> LOCAL. */
static bool
carry_in(MigrateRelay *relay)
{
    ssize_t n = wire_link_read_some(relay->device, relay->chunk, CHUNK, NULL);
    if (n < 0) {
        shutdown(relay->local, SHUT_WR);
        return false;
    }
    atomic_fetch_add(&relay->bytes, (uint64_t)n);
    return n == 0 || fd_write_all(relay->local, relay->chunk, (size_t)n, 0,
                                  NULL);
}

static gpointer
relay_run(gpointer data)
{
    MigrateRelay *relay = data;
    bool out = true, in = true;
    pthread_setname_np(pthread_self(), "device");
    while (out || in) {
        struct pollfd fds[3] = {
            {.fd = out ? relay->local : -1, .events = POLLIN},
            {.fd = in ? wire_link_fd(relay->device) : -1, .events = POLLIN},
            {.fd = relay->stop, .events = POLLIN},
        };
        bool pending = in && wire_link_has_pending(relay->device);
        if (poll(fds, 3, pending ? 0 : -1) < 0) {
            continue;
        }
        if (fds[2].revents) {
            break;
        }
        out = out && (!fds[0].revents || carry_out(relay));
        in = in && (!(fds[1].revents || pending) || carry_in(relay));
    }
    /* QEMU must see the end even while we live on. */
    shutdown(relay->local, SHUT_RDWR);
    wire_link_shutdown(relay->device);
    return NULL;
}

MigrateRelay *
migrate_relay_start(int local, WireLink *device, GError **error)
{
    MigrateRelay *relay = g_new0(MigrateRelay, 1);
    relay->local = local;
    relay->device = device;
    relay->stop = eventfd(0, EFD_CLOEXEC);
    if (relay->stop < 0) {
        error_set_errno(error, errno, "a descriptor for the device thread");
    } else {
        relay->thread = thread_start("device", relay_run, relay, error);
    }
    if (!relay->thread) {
        g_clear_pointer(&relay, migrate_relay_stop);
    }
    return relay;
}

void
migrate_relay_stop(MigrateRelay *relay)
{
    if (relay->thread) {
        eventfd_write(relay->stop, 1);
        /* A write that is stuck in a dead connection must let go as well. */
        shutdown(relay->local, SHUT_RDWR);
        wire_link_shutdown(relay->device);
        g_thread_join(relay->thread);
    }
    fd_clear(&relay->local);
    fd_clear(&relay->stop);
    g_free(relay);
}

uint64_t
migrate_relay_bytes(const MigrateRelay *relay)
{
    return relay ? atomic_load(&relay->bytes) : 0;
}
