/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One line about a running helper, whatever it answered.
 */
#include "migrate/show/migrate-status.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "migrate/core/migrate-rundir.h"

static void
described(void)
{
    g_autofree char *text = migrate_status_describe(
        "{\"role\":\"send\",\"vm\":\"web1\",\"pid\":4711,\"stage\":\"postcopy\","
        "\"total_pages\":262144,\"present_pages\":262143,\"faults\":12,"
        "\"peer\":\"0.0.0.0:4444\",\"peer_host\":\"10.0.0.2\","
        "\"past_no_return\":true,"
        "\"peer_lost\":true}");
    g_assert_cmpstr(text, ==,
                    "send     web1                 pid 4711  postcopy   1023 "
                    "of 1024 MiB, 12 faults, peer 0.0.0.0:4444; still needed by "
                    "10.0.0.2: 1 MiB; CONNECTION LOST");
    g_autofree char *quiet = migrate_status_describe(
        "{\"role\":\"receive\",\"past_no_return\":true,\"peer_lost\":false,"
        "\"lacks_memory\":true,\"source_ran\":true,\"unrecorded\":true}");
    g_assert_null(strstr(quiet, "needed"));
    g_assert_null(strstr(quiet, "LOST"));
    g_assert_nonnull(strstr(quiet, "(unnamed)"));
    g_assert_true(g_str_has_suffix(
        quiet,
        "; STARTED ON BOTH HOSTS; CRASH RECOVERY IS OFF; NO MEMORY HERE"));
}

static void
no_status_at_all(void)
{
    static const char *const cases[] = {"", " ", "{", "[]", "7", "null",
                                        "\"text\"", "{]", "\xff\xfe"};
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_assert_null(migrate_status_describe(cases[i]));
    }
}

/* Members of the wrong type, numbers past the end: a line, and no crash. */
static void
odd_members(void)
{
    static const char *const cases[] = {
        "{}",
        "{\"role\":5,\"vm\":[],\"stage\":{},\"peer\":null,"
        "\"past_no_return\":\"yes\",\"peer_lost\":3}",
        "{\"role\":null,\"past_no_return\":true}",
        "{\"role\":\"send\",\"past_no_return\":true,"
        "\"total_pages\":9223372036854775807,\"present_pages\":-5}",
        "{\"total_pages\":1,\"present_pages\":9223372036854775807,"
        "\"pid\":1e300,\"faults\":\"many\"}",
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = migrate_status_describe(cases[i]);
        g_assert_nonnull(text);
        g_assert_nonnull(strstr(text, "(unnamed)"));
    }
}

/* QEMU takes any name; a terminal must not obey it. */
static void
names_that_are_commands(void)
{
    g_autofree char *text = migrate_status_describe(
        "{\"vm\":\"a\\u001b[2Jb\",\"peer\":\"c\\u009bd\\n\"}");
    g_assert_nonnull(strstr(text, " a\\x1b[2Jb "));
    g_assert_nonnull(strstr(text, "peer c\\u009bd\\n"));
}

/* As deep as an answer can be: the parser of json-glib recurses. */
static void
deep(void)
{
    g_autofree char *nested = g_strnfill(65535, '[');
    g_assert_null(migrate_status_describe(nested));
    for (unsigned i = 0; i < 65530; i += 5) {
        memcpy(nested + i, "{\"a\":", 5);
    }
    g_assert_null(migrate_status_describe(nested));
}

static void
mutations(void)
{
    static const char good[] =
        "{\"role\":\"send\",\"vm\":\"a\",\"total_pages\":5,\"peer_lost\":true}";
    GRand *rand = g_rand_new_with_seed(31);
    for (unsigned i = 0; i < 20000; i++) {
        g_autofree char *text = g_strdup(good);
        for (int n = g_rand_int_range(rand, 1, 6); n > 0; n--) {
            text[g_rand_int(rand) % (sizeof good - 1)] =
                "{}[]\",:0129eE+-.tfn\\u \x01\xc3"[g_rand_int(rand) % 25];
        }
        g_autofree char *line = migrate_status_describe(text);
    }
    g_rand_free(rand);
}

static int
open_socket(const char *path, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    g_strlcpy(address->sun_path, path, sizeof address->sun_path);
    return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

/* Every command looks who is there; one helper that stands still and takes
 * nobody must not stop them all. */
static void
a_helper_that_stands_still_holds_nobody_up(void)
{
    g_autofree char *directory = migrate_rundir_path();
    g_autofree char *path =
        g_strdup_printf("%s/test-%d.sock", directory, (int)getpid());
    struct sockaddr_un address;
    autofd listener = open_socket(path, &address);
    autofd first = open_socket(path, &address);
    autofd second = open_socket(path, &address);
    const struct sockaddr *to = (const struct sockaddr *)&address;
    g_assert_true(migrate_rundir_make(directory, NULL));
    g_assert_no_errno(bind(listener, to, sizeof address));
    g_assert_no_errno(listen(listener, 0));
    g_assert_no_errno(connect(first, to, sizeof address));
    g_assert_cmpint(connect(second, to, sizeof address), ==, -1);
    alarm(20);
    migrate_status_forget_dead();
    g_autoptr(GPtrArray) all = migrate_status_query_all();
    g_assert_nonnull(all);
    alarm(0);
    g_assert_no_errno(unlink(path)); /* it lives, so it stays */
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/status/described", described);
    g_test_add_func("/status/none", no_status_at_all);
    g_test_add_func("/status/odd", odd_members);
    g_test_add_func("/status/commands", names_that_are_commands);
    g_test_add_func("/status/deep", deep);
    g_test_add_func("/status/mutations", mutations);
    g_test_add_func("/status/stands-still",
                    a_helper_that_stands_still_holds_nobody_up);
    return g_test_run();
}
