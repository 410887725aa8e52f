/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Claims of all fuzz targets: see fuzz-check.h.
 */
#include "tests/fuzz/fuzz-check.h"

#include <signal.h>
#include <string.h>

/* GLib says CRITICAL when it was called with what it may not be called with:
 * never the right answer to a stranger's bytes. */
int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
    signal(SIGPIPE, SIG_IGN); /* as cli/main.c does */
    return 0;
}

void
fuzz_end(bool ok, GError *error, unsigned may)
{
    g_assert_true(ok == (error == NULL));
    if (!error) {
        return;
    }
    g_assert_true(error->domain == POSTLUDE_ERROR);
    g_assert_true(may & FUZZ_MAY(error->code));
    g_assert_cmpuint(strlen(error->message), >, 10);
    g_error_free(error);
}

char *
fuzz_text(const uint8_t *data, size_t size)
{
    return g_strndup((const char *)data, size);
}

GByteArray
fuzz_payload(const uint8_t *data, size_t size)
{
    return (GByteArray){.data = size ? g_memdup2(data, size) : NULL,
                        .len = (guint)size};
}

bool
fuzz_is_printable(const char *text)
{
    if (!g_utf8_validate(text, -1, NULL)) {
        return false;
    }
    for (const char *at = text; *at; at = g_utf8_next_char(at)) {
        if (g_unichar_iscntrl(g_utf8_get_char(at))) {
            return false;
        }
    }
    return true;
}
