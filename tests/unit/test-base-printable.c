/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a name may have in it, and what a terminal gets of it.
 */
#include "base/printable.h"

#include <glib.h>

typedef struct {
    const char *raw, *line, *text, *json;
} Case;

static const Case cases[] = {
    {"web1", "web1", "web1", "web1"},
    {"grün 東京 🐧 \\n", "grün 東京 🐧 \\n", "grün 東京 🐧 \\n",
     "grün 東京 🐧 \\n"},
    {"a\033[2Jb", "a\\x1b[2Jb", "a\\x1b[2Jb", "a\\u001b[2Jb"},
    {"a\nb\r\tc", "a\\nb\\r\\tc", "a\nb\\r\\tc", "a\nb\\u000d\\u0009c"},
    {"\177\a", "\\x7f\\x07", "\\x7f\\x07", "\\u007f\\u0007"},
    {"\xc2\x9b" "2J", "\\u009b2J", "\\u009b2J", "\\u009b2J"}, /* C1: CSI */
    {"\xe2\x80\xae" "1bew", "\\u202e1bew", "\\u202e1bew", "\\u202e1bew"},
    {"\xe2\x81\xa6x\xe2\x81\xa9", "\\u2066x\\u2069", "\\u2066x\\u2069",
     "\\u2066x\\u2069"},
    {"a\xe2\x80\x8b\xef\xbb\xbf", "a\\u200b\\ufeff", "a\\u200b\\ufeff",
     "a\\u200b\\ufeff"},
    {"\xe2\x80\xa8", "\\u2028", "\\u2028", "\\u2028"},
    {"\xf3\xa0\x80\x81", "\\U000e0001", "\\U000e0001", "\\udb40\\udc01"},
    {"\xff\xc3(", "\\xff\\xc3(", "\\xff\\xc3(", "\xef\xbf\xbd\xef\xbf\xbd("},
    {"x\xe6\x9d", "x\\xe6\\x9d", "x\\xe6\\x9d",
     "x\xef\xbf\xbd\xef\xbf\xbd"}, /* cut in the middle */
    {"", "", "", ""},
    {NULL, "", "", ""},
};

static void
test_case(gconstpointer data)
{
    const Case *c = data;
    g_autofree char *line = printable_line(c->raw);
    g_autofree char *text = printable_text(c->raw);
    g_autofree char *json = printable_json(c->raw);
    g_assert_cmpstr(line, ==, c->line);
    g_assert_cmpstr(text, ==, c->text);
    g_assert_cmpstr(json, ==, c->json);
    g_assert_true(g_utf8_validate(line, -1, NULL));
}

/* No byte below a space, whatever comes. */
static void
test_every_byte(void)
{
    for (int first = 1; first < 256; first++) {
        for (int second = 1; second < 256; second++) {
            const char raw[] = {(char)first, (char)second, 'x', '\0'};
            g_autofree char *line = printable_line(raw);
            g_assert_true(g_utf8_validate(line, -1, NULL));
            for (const char *at = line; *at; at++) {
                g_assert_false(g_ascii_iscntrl(*at));
            }
        }
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/printable/%zu", i);
        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/printable/every-byte", test_every_byte);
    return g_test_run();
}
