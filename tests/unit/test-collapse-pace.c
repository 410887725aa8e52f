/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The share of time that calls may take, and the pauses between tries.
 */
#include <errno.h>
#include <glib.h>

#include "collapse/collapse-pace.h"

#define MS UINT64_C(1000000)

static const CollapsePace tenth = {
    .duty = 0.1, .prefault_duty = 0.25, .free_ns = MS / 10,
    .max_rest_ns = 100 * MS};

static void
a_tenth_of_the_time(void)
{
    g_assert_cmpuint(collapse_pace_rest_ns(&tenth, 0, MS), ==, 9 * MS);
    CollapsePace half = tenth;
    half.duty = 0.5;
    g_assert_cmpuint(collapse_pace_rest_ns(&half, 0, MS), ==, MS);
}

static void
cheap_calls_are_free(void)
{
    g_assert_cmpuint(collapse_pace_rest_ns(&tenth, 0, MS / 10), ==, 0);
    g_assert_cmpuint(collapse_pace_rest_ns(&tenth, 0, MS / 10 + 10), >, 0);
}

/* Prefaulting earns its own rest, also where the call itself was for free. */
static void
prefaulting_is_paid_for(void)
{
    g_assert_cmpuint(collapse_pace_rest_ns(&tenth, 6 * MS, MS), ==, 27 * MS);
    g_assert_cmpuint(collapse_pace_rest_ns(&tenth, 6 * MS, 0), ==, 18 * MS);
}

static void
no_rest_is_endless(void)
{
    g_assert_cmpuint(collapse_pace_rest_ns(&tenth, 0, UINT64_MAX), ==, 100 * MS);
}

static void
full_speed_has_no_rest(void)
{
    CollapsePace full = tenth;
    full.duty = 1;
    g_assert_cmpuint(collapse_pace_rest_ns(&full, 5 * MS, 1000 * MS), ==, 0);
}

static void
duty_as_written(void)
{
    static const struct {
        const char *text;
        double duty; /* 0: refused */
    } cases[] = {{"10%", 0.1}, {"10", 0.1},   {"2.5%", 0.025}, {"100%", 1},
                 {"0", 0},     {"101%", 0},   {"", 0},         {"%", 0},
                 {"-5", 0},    {"ten", 0},    {"10%%", 0},     {"10 %", 0},
                 {"nan", 0},   {"1e3", 0}};
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        double duty = 0;
        bool ok = collapse_pace_parse_duty(cases[i].text, &duty);
        g_assert_true(ok == (cases[i].duty > 0));
        g_assert_true(!ok || ABS(duty - cases[i].duty) < 1e-9);
    }
}

static void
pauses_grow_and_end(void)
{
    const CollapseRetry retry = {
        .tries = 5, .first_ns = 50 * MS, .most_ns = 150 * MS};
    static const uint64_t ms[] = {50, 100, 150, 150};
    uint64_t pause = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(ms); i++) {
        g_assert_true(collapse_retry_after(&retry, EAGAIN, i + 1, &pause));
        g_assert_cmpuint(pause, ==, ms[i] * MS);
    }
    g_assert_false(collapse_retry_after(&retry, EAGAIN, 5, &pause));
}

static void
only_what_time_heals(void)
{
    const CollapseRetry retry = {.tries = 5, .first_ns = MS, .most_ns = MS};
    uint64_t pause;
    g_assert_true(collapse_retry_after(&retry, ENOMEM, 1, &pause));
    g_assert_false(collapse_retry_after(&retry, EINVAL, 1, &pause));
    g_assert_false(collapse_retry_after(&retry, EBUSY, 1, &pause));
    g_assert_false(collapse_retry_after(&retry, ESRCH, 1, &pause));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/collapse-pace/duty", a_tenth_of_the_time);
    g_test_add_func("/collapse-pace/free", cheap_calls_are_free);
    g_test_add_func("/collapse-pace/prefault", prefaulting_is_paid_for);
    g_test_add_func("/collapse-pace/most", no_rest_is_endless);
    g_test_add_func("/collapse-pace/full", full_speed_has_no_rest);
    g_test_add_func("/collapse-pace/parse", duty_as_written);
    g_test_add_func("/collapse-pace/retry", pauses_grow_and_end);
    g_test_add_func("/collapse-pace/retry/errno", only_what_time_heals);
    return g_test_run();
}
