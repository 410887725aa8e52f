/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a program that starts us has of us: lines on --events-fd that its reader
 * understands, none that would make us wait; and a pipe whose end stops us, as
 * long as that is possible.
 */
#include "migrate/show/migrate-events.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "migrate/session/migrate-wait.h"
#include "migrate/show/migrate-event-line.h"

/* The lines that are in FD by now. */
static char **
read_lines(int fd)
{
    static char text[1 << 17];
    g_assert_true(fd_set_nonblocking(fd, true, NULL));
    ssize_t n = read(fd, text, sizeof text - 1);
    text[MAX(n, 0)] = '\0';
    return g_strsplit(g_strchomp(text), "\n", -1);
}

static void
test_lines(void)
{
    int ends[2];
    g_assert_cmpint(pipe(ends), ==, 0);
    MigrateOptions options = {.role = MIGRATE_SEND,
                              .address = (char *)"10.0.0.1:1",
                              .events_fd = ends[1]};
    MigrateSession *session = migrate_session_new(&options);
    MigrateEvents *events = migrate_events_new(session);
    migrate_session_step(session, "listening");
    session->past_no_return = true;
    migrate_session_step(session, "completed");
    session->report.outcome = "failed";
    session->report.reason = g_strdup("why \"so\"\n");
    migrate_events_over(events, 1);

    g_auto(GStrv) lines = read_lines(ends[0]);
    g_assert_cmpuint(g_strv_length(lines), ==, 3);
    g_auto(MigrateEventLine) first = {0}, second = {0}, last = {0};
    g_assert_true(migrate_event_line_parse(lines[0], &first, NULL));
    g_assert_cmpstr(first.stage, ==, "listening");
    g_assert_false(first.past_no_return);
    g_assert_nonnull(strstr(lines[0], "\"address\":\"10.0.0.1:1\""));
    g_assert_true(migrate_event_line_parse(lines[1], &second, NULL));
    g_assert_true(second.past_no_return);
    g_assert_true(migrate_event_line_parse(lines[2], &last, NULL));
    g_assert_cmpstr(last.stage, ==, "over");
    g_assert_cmpint(last.exit_status, ==, 1);
    g_assert_cmpstr(last.reason, ==, "why \"so\"\n");
    g_assert_nonnull(strstr(last.report, "\"outcome\":\"failed\""));
    migrate_events_free(events);
    migrate_session_free(session);
    close(ends[0]);
    close(ends[1]);
}

/* A reader that sleeps, and one that is gone. */
static void
test_never_waits(void)
{
    int ends[2];
    g_assert_cmpint(pipe(ends), ==, 0);
    MigrateOptions options = {.role = MIGRATE_SEND, .events_fd = ends[1]};
    MigrateSession *session = migrate_session_new(&options);
    MigrateEvents *events = migrate_events_new(session);
    for (unsigned i = 0; i < 10000; i++) {
        migrate_session_step(session, "postcopy");
    }
    g_auto(GStrv) lines = read_lines(ends[0]);
    for (char **line = lines; *line; line++) {
        g_auto(MigrateEventLine) parsed = {0};
        g_assert_true(migrate_event_line_parse(*line, &parsed, NULL));
    }
    close(ends[0]);
    migrate_session_step(session, "postcopy");
    migrate_events_over(events, 0);
    migrate_events_free(events);
    migrate_session_free(session);
    close(ends[1]);
}

static bool
never(MigrateSession *session)
{
    return false;
}

static void
test_parent(void)
{
    for (int late = 0; late < 2; late++) {
        int ends[2];
        g_assert_cmpint(pipe(ends), ==, 0);
        MigrateOptions options = {.role = MIGRATE_SEND, .parent_fd = ends[0]};
        MigrateSession *session = migrate_session_new(&options);
        g_autoptr(GError) before = NULL, after = NULL;
        session->guest.pidfd = -1;
        g_assert_false(migrate_wait(session, never, 50, "nothing", &before));
        g_assert_true(error_is(before, ERROR_RETRY));
        session->past_no_return = late;
        close(ends[1]);
        g_assert_false(migrate_wait(session, never, 200, "nothing", &after));
        g_assert_true(error_is(after, late ? ERROR_RETRY : ERROR_CANCELLED));
        g_assert_cmpint(strstr(after->message, "has ended") != NULL, ==,
                        !late);
        migrate_session_free(session);
        close(ends[0]);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    g_test_add_func("/events/lines", test_lines);
    g_test_add_func("/events/never-waits", test_never_waits);
    g_test_add_func("/events/parent", test_parent);
    return g_test_run();
}
