/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Waiting: see migrate-wait.h.
 */
#include "migrate/session/migrate-wait.h"

#include <glib-unix.h>

#include "base/error.h"
#include "base/fd.h"
#include "migrate/session/migrate-news.h"

#define LACK_MS 1000

static gboolean
wait_wake(gint fd, GIOCondition condition, gpointer unused)
{
    return G_SOURCE_CONTINUE; /* the wait looks for itself what there is */
}

guint
migrate_wait_watch(MigrateSession *session, int fd)
{
    return g_unix_fd_add(fd, G_IO_IN | G_IO_HUP | G_IO_ERR, wait_wake, session);
}

bool
migrate_wait_take_in(MigrateSession *session, GError **error)
{
    if (session->operator.interrupted) {
        return error_set(error, ERROR_CANCELLED,
                         session->operator.orphaned
                             ? "stopped by the process that started it, "
                               "or because that has ended"
                             : "stopped by a signal");
    }
    return migrate_news_take_in(session, error) &&
           migrate_mailbox_take_in(session, error) &&
           migrate_alarm_take(&session->alarm, error);
}

static gboolean
on_timeout(gpointer unused)
{
    return G_SOURCE_REMOVE; /* the iteration ends; the clock is read there */
}

bool
migrate_wait(MigrateSession *session, bool (*done)(MigrateSession *),
             int timeout_ms, const char *what, GError **error)
{
    uint64_t began_ns = fd_now_ns();
    uint64_t deadline = fd_deadline_ns(timeout_ms);
    for (;;) {
        if (!migrate_wait_take_in(session, error)) {
            g_prefix_error(error, "while waiting for %s: ", what);
            return false;
        }
        if (done(session)) {
            return true;
        }
        uint64_t now = fd_now_ns();
        if (deadline && now >= deadline) {
            return error_set(error, ERROR_RETRY,
                             "gave up waiting for %s after %.1f s", what,
                             fd_seconds_since(began_ns));
        }
        uint64_t left_ms = deadline ? (deadline - now) / 1000000 + 1 : 1000;
        guint timer = g_timeout_add((guint)MIN(left_ms, 1000), on_timeout,
                                    NULL);
        /* What TLS has in its buffers is not seen by poll(). */
        g_main_context_iteration(NULL, !session->peer.more);
        GSource *source = g_main_context_find_source_by_id(NULL, timer);
        if (source) {
            g_source_destroy(source);
        }
    }
}

static bool
wait_never(MigrateSession *session)
{
    return false;
}

bool
migrate_wait_outlast(MigrateSession *session, GError **why, GError **error)
{
    g_autoptr(GError) lack = g_steal_pointer(why);
    g_autoptr(GError) over = NULL;
    if (!session->past_no_return) {
        g_propagate_error(error, g_steal_pointer(&lack));
        return false;
    }
    if (!session->lacks) {
        session->lacks = true;
        g_warning("%s; trying until there is: the guest waits for its missing "
                  "memory meanwhile",
                  lack->message);
    }
    if (!migrate_wait(session, wait_never, LACK_MS, "it", &over) &&
        error_is(over, ERROR_VM_GONE)) {
        g_propagate_error(error, g_steal_pointer(&over));
        return false;
    }
    return true;
}

GByteArray *
migrate_wait_expect(MigrateSession *session, unsigned type, int timeout_ms,
                    GError **error)
{
    g_autofree char *what =
        g_strdup_printf("the peer's %s", wire_frame_name(type));
    MigrateFrame frame;
    if (!migrate_wait(session, migrate_mailbox_has_frame, timeout_ms, what,
                      error) ||
        !migrate_mailbox_pop(session, &frame)) {
        return NULL;
    }
    if (frame.type != type) {
        g_byte_array_unref(frame.payload);
        error_set(error, ERROR_PROTOCOL, "the peer said %s instead of %s",
                  wire_frame_name(frame.type), wire_frame_name(type));
        return NULL;
    }
    return frame.payload;
}
