/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The progress bar at every width: one line, and what matters most is in it.
 */
#include "migrate/show/migrate-bar.h"

#include <glib.h>
#include <string.h>

#include "base/terminal.h"

static MigrateBar
moving(void)
{
    return (MigrateBar){.stage = "postcopy",
                        .share = 0.5,
                        .fields = {(char *)"512 of 1024 MiB here",
                                   (char *)"12.3 s left",
                                   (char *)"104 MB/s",
                                   (char *)"2345 faults",
                                   (char *)"510 MiB huge"}};
}

typedef struct {
    unsigned columns;
    const char *line;
} Case;

static const Case cases[] = {
    {200, "postcopy   [############............] 512 of 1024 MiB here, "
          "12.3 s left, 104 MB/s, 2345 faults, 510 MiB huge"},
    {80, "postcopy   [####.....] 512 of 1024 MiB here, 12.3 s left, "
         "104 MB/s, 2345 faults"},
    {60, "postcopy   [######......] 512 of 1024 MiB here, 12.3 s left"},
    {46, "postcopy   512 of 1024 MiB here, 12.3 s left"},
    {40, "postcopy   512 of 1024 MiB here"},
    {20, "postcopy   512 of 1"},
    {5, "post"},
    {1, ""},
    {0, ""},
};

static void
test_case(gconstpointer data)
{
    const Case *c = data;
    MigrateBar bar = moving();
    g_autofree char *line = migrate_bar_line(&bar, c->columns);
    g_assert_cmpstr(line, ==, c->line);
}

static void
test_every_width(void)
{
    MigrateBar bar = moving();
    bar.fields[0] = (char *)"東京から 512 MiB 🐧";
    for (unsigned columns = 0; columns < 300; columns++) {
        g_autofree char *line = migrate_bar_line(&bar, columns);
        g_assert_true(g_utf8_validate(line, -1, NULL));
        g_assert_cmpuint(terminal_width(line), <, MAX(columns, 1));
    }
}

static void
test_words(void)
{
    MigrateBar bar = {.stage = "wait", .share = -1,
                      .fields = {(char *)"ready; waiting for SIGUSR1",
                                 (char *)"7 s so far"}};
    g_autofree char *line = migrate_bar_line(&bar, 80);
    g_autofree char *text = migrate_bar_text(&bar);
    g_assert_cmpstr(line, ==,
                    "wait       ready; waiting for SIGUSR1, 7 s so far");
    g_assert_cmpstr(text, ==, "ready; waiting for SIGUSR1, 7 s so far");
}

static void
test_ends_of_the_bar(void)
{
    static const struct {
        double share;
        const char *bar;
    } ends[] = {{0, "[......................]"},
                {1, "[######################]"},
                {1.5, "[######################]"}};
    for (size_t i = 0; i < G_N_ELEMENTS(ends); i++) {
        MigrateBar bar = {.stage = "x", .share = ends[i].share,
                          .fields = {(char *)"y"}};
        g_autofree char *line = migrate_bar_line(&bar, 38);
        g_assert_nonnull(strstr(line, ends[i].bar));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/bar/%u", cases[i].columns);
        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/bar/every-width", test_every_width);
    g_test_add_func("/bar/words", test_words);
    g_test_add_func("/bar/ends", test_ends_of_the_bar);
    return g_test_run();
}
