/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The words before a command that is to have a cgroup of its own.
 */
#include "libvirt/libvirt-scope.h"

static void
test_words(void)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new_with_free_func(g_free);
    libvirt_scope_add(words, "postlude-send-7", "the memory of 'web 1'");
    g_ptr_array_add(words, g_strdup("postlude"));
    g_ptr_array_add(words, NULL);
    static const char *const expected[] = {
        "systemd-run", "--quiet", "--collect", "--scope",
        "--unit=postlude-send-7", "--description=the memory of 'web 1'", "--",
        "postlude", NULL};
    g_assert_cmpuint(words->len, ==, G_N_ELEMENTS(expected));
    for (unsigned i = 0; expected[i]; i++) {
        g_assert_cmpstr(g_ptr_array_index(words, i), ==, expected[i]);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/scope/words", test_words);
    return g_test_run();
}
