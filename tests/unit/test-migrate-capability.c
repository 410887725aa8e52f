/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Capabilities against a scripted monitor: in which order they are set, and
 * that they are put back whatever happens, x-ignore-shared always to off.
 */
#include "migrate/device/migrate-capability.h"

#include <string.h>

#include "base/error.h"
#include "tests/support/qmp-peer.h"

/* The expected dialogue, built step by step; texts are interned, because they
 * must outlive the peer. */
static void
add(GArray *steps, QmpPeerVerb verb, const char *text, const char *text2)
{
    QmpPeerStep step = {verb, text ? g_intern_string(text) : NULL,
                        text2 ? g_intern_string(text2) : NULL};
    g_array_append_val(steps, step);
}

/* What QEMU has: "+name" is on, "-name" off. */
static char *
list(const char *const *have)
{
    GString *json = g_string_new("[");
    for (; *have; have++) {
        g_string_append_printf(
            json, "%s{\"capability\":\"%s\",\"state\":%s}",
            json->len > 1 ? "," : "", *have + 1,
            **have == '+' ? "true" : "false");
    }
    g_string_append_c(json, ']');
    return g_string_free(json, false);
}

static void
asks(GArray *steps, const char *const *have, unsigned times)
{
    g_autofree char *answer = list(have);
    for (unsigned i = 0; i < times; i++) {
        add(steps, QMP_PEER_HEAR, "\"query-migrate-capabilities\"", NULL);
        add(steps, QMP_PEER_ANSWER, answer, NULL);
    }
}

static void
sets(GArray *steps, const char *name, bool on)
{
    g_autofree char *text =
        g_strdup_printf("{\"capability\":\"%s\",\"state\":%s}", name,
                        on ? "true" : "false");
    add(steps, QMP_PEER_HEAR, text, NULL);
}

static void
sets_well(GArray *steps, const char *name, bool on)
{
    sets(steps, name, on);
    add(steps, QMP_PEER_ANSWER, "{}", NULL);
}

typedef struct {
    GArray *steps;
    QmpPeer *peer;
    QmpClient *client;
} Dialogue;

static Dialogue
begin(GArray *steps)
{
    g_autoptr(GError) error = NULL;
    add(steps, QMP_PEER_END, NULL, NULL);
    Dialogue d = {.steps = steps};
    d.peer = qmp_peer_start((const QmpPeerStep *)(void *)steps->data);
    d.client = qmp_client_open(qmp_peer_path(d.peer), 20000, &error);
    g_assert_no_error(error);
    return d;
}

static void
end(Dialogue *d)
{
    qmp_client_close(d->client);
    qmp_peer_stop(d->peer);
    g_array_unref(d->steps);
}

static GArray *
greeted(void)
{
    GArray *steps = g_array_new(false, true, sizeof(QmpPeerStep));
    add(steps, QMP_PEER_GREET, NULL, NULL);
    return steps;
}

/* A source on which somebody left multifd and x-ignore-shared on. */
static void
a_source(void)
{
    static const char *const have[] = {
        "-postcopy-ram", "+multifd", "-events", "-return-path",
        "-pause-before-switchover", "+x-ignore-shared", NULL};
    g_autoptr(GError) error = NULL;
    GArray *steps = greeted();
    asks(steps, have, 4); /* preempt, postcopy, zero-copy, multifd */
    sets_well(steps, "multifd", false);
    asks(steps, have, 6); /* five more that exclude us, events */
    sets_well(steps, "events", true);
    asks(steps, have, 1);
    sets_well(steps, "return-path", true);
    asks(steps, have, 1);
    sets_well(steps, "pause-before-switchover", true);
    asks(steps, have, 1); /* x-ignore-shared: on already */
    add(steps, QMP_PEER_HEAR, "\"query-migrate-parameters\"", NULL);
    add(steps, QMP_PEER_ANSWER, "{\"max-bandwidth\": 134217728}", NULL);
    add(steps, QMP_PEER_HEAR, "\"max-bandwidth\":10737418240", NULL);
    add(steps, QMP_PEER_ANSWER, "{}", NULL);
    /* Back, in reverse; x-ignore-shared to off, though it was on. */
    sets_well(steps, "x-ignore-shared", false);
    sets_well(steps, "pause-before-switchover", false);
    sets_well(steps, "return-path", false);
    sets_well(steps, "events", false);
    sets_well(steps, "multifd", true);
    add(steps, QMP_PEER_HEAR, "\"max-bandwidth\":134217728", NULL);
    add(steps, QMP_PEER_ANSWER, "{}", NULL);
    Dialogue d = begin(steps);
    MigrateCapability *c = migrate_capability_set(d.client, true, &error);
    g_assert_no_error(error);
    migrate_capability_restore(c, d.client, &error);
    g_assert_no_error(error);
    end(&d);
}

/* A destination leaves return-path and the pause alone. */
static void
a_destination(void)
{
    static const char *const have[] = {"-events", "-return-path",
                                       "-pause-before-switchover",
                                       "-x-ignore-shared", NULL};
    g_autoptr(GError) error = NULL;
    GArray *steps = greeted();
    asks(steps, have, 10);
    sets_well(steps, "events", true);
    asks(steps, have, 1);
    sets_well(steps, "x-ignore-shared", true);
    sets_well(steps, "x-ignore-shared", false);
    sets_well(steps, "events", false);
    Dialogue d = begin(steps);
    MigrateCapability *c = migrate_capability_set(d.client, false, &error);
    g_assert_no_error(error);
    migrate_capability_restore(c, d.client, &error);
    g_assert_no_error(error);
    end(&d);
}

/* Somebody else drives: only what we need is turned on, what he may have on
 * stays so, and no parameter is touched. */
static void
following(void)
{
    static const char *const have[] = {
        "+multifd", "+events", "-return-path", "-pause-before-switchover",
        "-x-ignore-shared", NULL};
    g_autoptr(GError) error = NULL;
    GArray *steps = greeted();
    asks(steps, have, 2); /* events, return-path */
    sets_well(steps, "return-path", true);
    asks(steps, have, 1);
    sets_well(steps, "pause-before-switchover", true);
    asks(steps, have, 1);
    sets_well(steps, "x-ignore-shared", true);
    sets_well(steps, "x-ignore-shared", false);
    sets_well(steps, "pause-before-switchover", false);
    sets_well(steps, "return-path", false);
    Dialogue d = begin(steps);
    MigrateCapability *c =
        migrate_capability_set_following(d.client, true, &error);
    g_assert_no_error(error);
    migrate_capability_restore(c, d.client, &error);
    g_assert_no_error(error);
    end(&d);
}

/* QEMU refuses in the middle: what was changed goes back at once, and so does
 * the refused one, because its reply may lie. */
static void
refused_in_the_middle(void)
{
    static const char *const have[] = {"-events", "-return-path",
                                       "-pause-before-switchover",
                                       "-x-ignore-shared", NULL};
    g_autoptr(GError) error = NULL;
    GArray *steps = greeted();
    asks(steps, have, 10);
    sets_well(steps, "events", true);
    asks(steps, have, 1);
    sets(steps, "return-path", true);
    add(steps, QMP_PEER_REFUSE, NULL, "there is a migration in progress");
    asks(steps, have, 1); /* is it that QEMU has no such? */
    sets_well(steps, "return-path", false);
    sets_well(steps, "events", false);
    Dialogue d = begin(steps);
    g_assert_null(migrate_capability_set(d.client, true, &error));
    g_assert_true(error_is(error, ERROR_FAILED));
    g_assert_true(g_str_has_prefix(error->message,
                                   "preparing QEMU's migration: "));
    g_assert_nonnull(strstr(error->message, "a migration in progress"));
    end(&d);
}

static void
without_the_essential(void)
{
    static const char *const have[] = {"-events", NULL};
    g_autoptr(GError) error = NULL;
    GArray *steps = greeted();
    asks(steps, have, 10);
    sets_well(steps, "events", true);
    asks(steps, have, 1);
    sets_well(steps, "events", false);
    Dialogue d = begin(steps);
    g_assert_null(migrate_capability_set(d.client, false, &error));
    g_assert_true(error_is(error, ERROR_UNSUPPORTED));
    g_assert_nonnull(strstr(error->message, "x-ignore-shared"));
    end(&d);
}

/* The dangerous one stays on: the operator must hear which and what to do,
 * and everything else goes back all the same. */
static void
what_cannot_be_put_back(void)
{
    static const char *const have[] = {"-events", "-x-ignore-shared", NULL};
    g_autoptr(GError) error = NULL;
    GArray *steps = greeted();
    asks(steps, have, 10);
    sets_well(steps, "events", true);
    asks(steps, have, 1);
    sets_well(steps, "x-ignore-shared", true);
    sets(steps, "x-ignore-shared", false);
    add(steps, QMP_PEER_REFUSE, NULL, "not now");
    asks(steps, have, 1);
    sets_well(steps, "events", false);
    Dialogue d = begin(steps);
    MigrateCapability *c = migrate_capability_set(d.client, false, &error);
    g_assert_no_error(error);
    g_assert_false(migrate_capability_restore(c, d.client, &error));
    g_assert_true(error_is(error, ERROR_STATE));
    g_assert_nonnull(strstr(error->message, "x-ignore-shared back off"));
    g_assert_nonnull(strstr(error->message, "by hand"));
    end(&d);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/capability/source", a_source);
    g_test_add_func("/capability/destination", a_destination);
    g_test_add_func("/capability/following", following);
    g_test_add_func("/capability/refused", refused_in_the_middle);
    g_test_add_func("/capability/missing", without_the_essential);
    g_test_add_func("/capability/stuck", what_cannot_be_put_back);
    return g_test_run();
}
