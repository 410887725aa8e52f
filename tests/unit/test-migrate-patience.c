/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A share of the usual times: each gets it, and none gets nothing.
 */
#include "migrate/core/migrate-patience.h"

#include <glib.h>

static void
shares(void)
{
    MigratePatience usual, none_said, tenth, least;
    const int *all = (const int *)&usual;
    migrate_patience_init(&usual, 100);
    migrate_patience_init(&none_said, 0);
    migrate_patience_init(&tenth, 10);
    migrate_patience_init(&least, 1);
    for (unsigned i = 0; i < sizeof usual / sizeof(int); i++) {
        g_assert_cmpint(all[i], >=, 1000);
        g_assert_cmpint(((const int *)&none_said)[i], ==, all[i]);
        g_assert_cmpint(((const int *)&tenth)[i], ==, all[i] / 10);
        g_assert_cmpint(((const int *)&least)[i], >=, 100);
    }
    /* The destination gives up later than the source, which then has the guest. */
    g_assert_cmpint(usual.switchover_ms, >, usual.device_ms + usual.precopy_ms / 2);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/patience/shares", shares);
    return g_test_run();
}
