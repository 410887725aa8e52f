/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The token's file: made, read back, and refused if it is not one, or if
 * others may read it.
 */
#include "migrate/core/migrate-token.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

#define DIGITS "00112233445566778899aabbccDDEEFF"

typedef struct {
    char *directory, *path;
} Place;

static void
set_up(Place *place, gconstpointer unused)
{
    place->directory = g_dir_make_tmp("postlude-token-XXXXXX", NULL);
    place->path = g_build_filename(place->directory, "token", NULL);
}

static void
tear_down(Place *place, gconstpointer unused)
{
    g_unlink(place->path);
    g_rmdir(place->directory);
    g_free(place->directory);
    g_free(place->path);
}

static void
put(const Place *place, const char *text, int mode)
{
    g_assert_true(g_file_set_contents_full(
        place->path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT, mode, NULL));
    g_assert_cmpint(chmod(place->path, (mode_t)mode), ==, 0);
}

static void
test_read(Place *place, gconstpointer unused)
{
    static const uint8_t expected[WIRE_SESSION_BYTES] = {
        0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77,
        0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff};
    static const char *const texts[] = {DIGITS, DIGITS "\n"};
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(GError) error = NULL;
        uint8_t token[WIRE_SESSION_BYTES] = {0};
        put(place, texts[i], 0600);
        migrate_token_read(place->path, token, &error);
        g_assert_no_error(error);
        g_assert_cmpmem(token, sizeof token, expected, sizeof expected);
    }
}

static void
test_make(Place *place, gconstpointer unused)
{
    g_autoptr(GError) error = NULL;
    uint8_t token[WIRE_SESSION_BYTES], session[WIRE_SESSION_BYTES];
    g_autofree char *digits = migrate_token_make(place->path, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(strlen(digits), ==, MIGRATE_TOKEN_DIGITS);
    g_assert_true(migrate_token_read(place->path, token, &error));
    g_assert_cmpint(token[15], ==, g_ascii_xdigit_value(digits[30]) * 16 +
                                       g_ascii_xdigit_value(digits[31]));
    g_assert_true(migrate_token_session(place->path, session, &error));
    g_assert_cmpmem(token, sizeof token, session, sizeof session);
    /* Never over another's. */
    g_autofree char *again = migrate_token_make(place->path, &error);
    g_assert_null(again);
    g_assert_nonnull(error);
}

static void
test_random(Place *place, gconstpointer unused)
{
    uint8_t one[WIRE_SESSION_BYTES], two[WIRE_SESSION_BYTES];
    g_assert_true(migrate_token_session(NULL, one, NULL));
    g_assert_true(migrate_token_session(NULL, two, NULL));
    g_assert_cmpint(memcmp(one, two, sizeof one), !=, 0);
}

static void
expect_refusal(const char *path, const char *words)
{
    g_autoptr(GError) error = NULL;
    uint8_t token[WIRE_SESSION_BYTES];
    g_assert_false(migrate_token_read(path, token, &error));
    g_assert_true(error_is(error, ERROR_USAGE));
    if (!strstr(error->message, words)) {
        g_error("'%s' does not say '%s'", error->message, words);
    }
}

static void
test_refused(Place *place, gconstpointer unused)
{
    static const char *const texts[] = {
        "", "0011", DIGITS "0", DIGITS "\n\n", DIGITS "\r\n", " " DIGITS,
        "0x112233445566778899aabbccddeeff0", DIGITS " " DIGITS};
    for (unsigned i = 0; i < G_N_ELEMENTS(texts); i++) {
        put(place, texts[i], 0600);
        expect_refusal(place->path, "does not hold 32");
    }
    static const int modes[] = {0640, 0604, 0620, 0777};
    for (unsigned i = 0; i < G_N_ELEMENTS(modes); i++) {
        put(place, DIGITS, modes[i]);
        expect_refusal(place->path, "mode 0600");
    }
    g_unlink(place->path);
    expect_refusal(place->path, "No such file");
    g_assert_cmpint(symlink("/dev/null", place->path), ==, 0);
    expect_refusal(place->path, "symbolic");
    expect_refusal(place->directory, "mode 0600");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/token/read", Place, NULL, set_up, test_read, tear_down);
    g_test_add("/token/make", Place, NULL, set_up, test_make, tear_down);
    g_test_add("/token/random", Place, NULL, set_up, test_random, tear_down);
    g_test_add("/token/refused", Place, NULL, set_up, test_refused, tear_down);
    return g_test_run();
}
