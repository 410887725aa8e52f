/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Driving nothing: see fake-driver.h.
 */
#include "tests/support/fake-driver.h"

#include "base/error.h"

static FakeDriver *fake_now;

static bool
called(const char *call, GError **error)
{
    g_string_append_printf(fake_now->calls, "%s%s",
                           fake_now->calls->len ? " " : "", call);
    return g_strcmp0(fake_now->fails, call) != 0 ||
           error_set(error, ERROR_FAILED, "%s fails", call);
}

#define STEP(function, call)                                                   \
    static bool function(MigrateSession *session, GError **error)              \
    {                                                                          \
        return called(call, error);                                            \
    }
#define UNDO(function, call)                                                   \
    static void function(MigrateSession *session)                              \
    {                                                                          \
        called(call, NULL);                                                    \
    }

STEP(fake_open, "open")
STEP(fake_freeze, "freeze")
STEP(fake_let_go, "let-go")
STEP(fake_carry, "carry")
STEP(fake_commit, "commit")
STEP(fake_source_postcopy, "source-postcopy")
STEP(fake_wait_running, "wait-running")
STEP(fake_arrive, "arrive")
STEP(fake_destination_postcopy, "destination-postcopy")
STEP(fake_go_on, "go-on")
UNDO(fake_source_undo, "source-undo")
UNDO(fake_destination_undo, "destination-undo")
UNDO(fake_forbid, "forbid")

static bool
fake_is_too_late(MigrateSession *session, GError **why)
{
    called("is-too-late", NULL);
    return fake_now->is_too_late;
}

static bool
fake_was_passed_unseen(MigrateSession *session, GError **error)
{
    called("was-passed-unseen", NULL);
    session->source.unasked = fake_now->cannot_ask;
    if (fake_now->cannot_ask) {
        error_set(error, ERROR_RETRY, "nobody answers");
    }
    return fake_now->was_passed;
}

static bool
fake_has_run(const MigrateSession *session)
{
    return called("has-run", NULL);
}

static bool
fake_check_not_started(MigrateSession *session, bool known, GError **error)
{
    return called("check-not-started", error);
}

static const MigrateDriver fake_driver = {
    .open = fake_open,
    .freeze = fake_freeze,
    .let_go = fake_let_go,
    .carry = fake_carry,
    .is_too_late = fake_is_too_late,
    .commit = fake_commit,
    .source_postcopy = fake_source_postcopy,
    .source_undo = fake_source_undo,
    .forbid = fake_forbid,
    .was_passed_unseen = fake_was_passed_unseen,
    .wait_running = fake_wait_running,
    .arrive = fake_arrive,
    .destination_postcopy = fake_destination_postcopy,
    .destination_undo = fake_destination_undo,
    .has_run = fake_has_run,
    .check_not_started = fake_check_not_started,
    .go_on = fake_go_on,
};

void
fake_driver_init(FakeDriver *fake, MigrateSession *session)
{
    *fake = (FakeDriver){.calls = g_string_new(NULL)};
    fake_now = fake;
    session->driver = &fake_driver;
}

void
fake_driver_clear(FakeDriver *fake)
{
    g_string_free(fake->calls, TRUE);
    fake_now = NULL;
}
