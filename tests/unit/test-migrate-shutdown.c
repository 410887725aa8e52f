/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A guest's end in QEMU's words: who ended it, that the first word counts, and
 * that a guest which goes on has not ended.
 */
#include "migrate/device/migrate-shutdown.h"

static void
hear(MigrateShutdown *s, const char *name, const char *reason, bool guest)
{
    const QmpEvent event = {.name = (char *)name, .reason = (char *)reason,
                            .guest = guest};
    migrate_shutdown_hear(s, &event);
}

static void
who_ended_it(void)
{
    static const struct {
        const char *reason;
        bool guest;
        WireEndedCode code;
    } cases[] = {
        {"guest-shutdown", true, WIRE_ENDED_SHUT_DOWN},
        {"guest-reset", true, WIRE_ENDED_SHUT_DOWN},
        {"guest-panic", true, WIRE_ENDED_CRASHED},
        {"host-error", false, WIRE_ENDED_CRASHED},
        {"host-qmp-quit", false, WIRE_ENDED_STOPPED},
        {"host-qmp-system-reset", false, WIRE_ENDED_STOPPED},
        {"host-signal", false, WIRE_ENDED_STOPPED},
        {"host-ui", false, WIRE_ENDED_STOPPED},
        {"something-new", true, WIRE_ENDED_SHUT_DOWN},
        {"something-new", false, WIRE_ENDED_STOPPED},
        {NULL, false, WIRE_ENDED_STOPPED},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        MigrateShutdown s = {0};
        hear(&s, "STOP", NULL, false);
        g_assert_cmpint(s.code, ==, 0);
        hear(&s, "SHUTDOWN", cases[i].reason, cases[i].guest);
        g_assert_cmpint(s.code, ==, cases[i].code);
        g_assert_nonnull(s.words);
    }
}

/* libvirt hears of the shutdown and sends QEMU a SIGTERM. */
static void
first_word(void)
{
    MigrateShutdown s = {0};
    hear(&s, "SHUTDOWN", "guest-shutdown", true);
    hear(&s, "STOP", NULL, false);
    hear(&s, "SHUTDOWN", "host-signal", false);
    g_assert_cmpint(s.code, ==, WIRE_ENDED_SHUT_DOWN);
}

static void
goes_on(void)
{
    static const char *const names[] = {"RESET", "RESUME"};
    for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
        MigrateShutdown s = {0};
        hear(&s, "SHUTDOWN", "guest-shutdown", true);
        hear(&s, names[i], NULL, false);
        g_assert_cmpint(s.code, ==, 0);
        hear(&s, "SHUTDOWN", "host-qmp-quit", false);
        g_assert_cmpint(s.code, ==, WIRE_ENDED_STOPPED);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/shutdown/who-ended-it", who_ended_it);
    g_test_add_func("/shutdown/first-word", first_word);
    g_test_add_func("/shutdown/goes-on", goes_on);
    return g_test_run();
}
