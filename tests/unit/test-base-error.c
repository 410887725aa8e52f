/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The error domain: every code has a name, every errno value a code, and what
 * was said first survives the prefixes.
 */
#include "base/error.h"

#include <errno.h>
#include <string.h>

static void
every_code_has_a_name_of_its_own(void)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    for (int code = ERROR_FAILED; code <= ERROR_CANCELLED; code++) {
        const char *name = error_code_name((ErrorCode)code);
        g_assert_cmpstr(name, !=, "unknown");
        g_assert_true(g_hash_table_add(seen, (gpointer)name));
    }
    g_assert_cmpstr(error_code_name(ERROR_PEER_GONE), ==, "peer-gone");
    g_assert_cmpstr(error_code_name((ErrorCode)(ERROR_CANCELLED + 1)), ==,
                    "unknown");
    g_assert_cmpstr(error_code_name((ErrorCode)-1), ==, "unknown");
}

static void
codes_follow_errno(void)
{
    static const struct {
        int errnum;
        ErrorCode code;
    } cases[] = {
        {EAGAIN, ERROR_RETRY},           {EINTR, ERROR_RETRY},
        {EBUSY, ERROR_RETRY},            {EPIPE, ERROR_PEER_GONE},
        {ECONNRESET, ERROR_PEER_GONE},   {ECONNREFUSED, ERROR_PEER_GONE},
        {ETIMEDOUT, ERROR_PEER_GONE},    {EHOSTUNREACH, ERROR_PEER_GONE},
        {ESRCH, ERROR_VM_GONE},          {ENOSYS, ERROR_UNSUPPORTED},
        {EOPNOTSUPP, ERROR_UNSUPPORTED}, {EIO, ERROR_FAILED},
        {EACCES, ERROR_FAILED},          {0, ERROR_FAILED},
        {99999, ERROR_FAILED},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(error_set_errno(&error, cases[i].errnum, "do %d", 7));
        g_assert_true(error_is(error, cases[i].code));
        g_autofree char *text =
            g_strdup_printf("do 7: %s", g_strerror(cases[i].errnum));
        g_assert_cmpstr(error->message, ==, text);
    }
}

static void
prefixes_keep_code_and_words(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(error_set(&error, ERROR_STATE, "100%% of %s", "it"));
    g_prefix_error(&error, "stage %s: ", "connect");
    g_assert_cmpstr(error->message, ==, "stage connect: 100% of it");
    g_assert_true(error_is(error, ERROR_STATE));
    g_assert_false(error_is(error, ERROR_FAILED));
}

static void
nobody_listening_is_fine(void)
{
    g_assert_false(error_set(NULL, ERROR_FAILED, "unheard"));
    g_assert_false(error_set_errno(NULL, EIO, "unheard"));
    g_assert_false(error_is(NULL, ERROR_FAILED));
    g_autoptr(GError) foreign =
        g_error_new(G_FILE_ERROR, (int)ERROR_STATE, "not ours");
    g_assert_false(error_is(foreign, ERROR_STATE));
}

static void
errno_names(void)
{
    g_assert_cmpstr(error_errno_name(EBUSY), ==, "EBUSY");
    g_assert_cmpstr(error_errno_name(ENOMEM), ==, "ENOMEM");
    g_assert_cmpstr(error_errno_name(4095), ==, "E4095");
    g_assert_true(error_errno_name(4095) == error_errno_name(4095));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/error/names", every_code_has_a_name_of_its_own);
    g_test_add_func("/error/errno", codes_follow_errno);
    g_test_add_func("/error/prefix", prefixes_keep_code_and_words);
    g_test_add_func("/error/null", nobody_listening_is_fine);
    g_test_add_func("/error/errno-name", errno_names);
    return g_test_run();
}
