/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * No mount option and no sysctl is needed: MADV_COLLAPSE on shared memory works
 * with shmem_enabled=never and enabled=madvise or never, on a tmpfs without
 * huge=. shmem_enabled=deny is the one setting that stops it.
 * Changes host-wide settings for milliseconds: only with TESTS_MUST_RUN=1 or
 * TESTS_MAY_TOUCH_HOST=1.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tests/kernel/support/kernel-fixture.h"

#define THP "/sys/kernel/mm/transparent_hugepage/"

/* The word in brackets of "always [madvise] never". */
static char *
setting(const char *name)
{
    g_autofree char *path = g_strconcat(THP, name, NULL);
    g_autofree char *text = NULL;
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    char *open = strchr(text, '['), *close = strchr(text, ']');
    g_assert_true(open && close && open < close);
    return g_strndup(open + 1, (gsize)(close - open - 1));
}

static void
set(const char *name, const char *value)
{
    g_autofree char *path = g_strconcat(THP, name, NULL);
    FILE *file = fopen(path, "we");
    g_assert_nonnull(file);
    g_assert_cmpint(fputs(value, file), >=, 0);
    g_assert_cmpint(fclose(file), ==, 0);
}

static int
try_collapse(void)
{
    g_auto(KernelFixture) k = {0};
    kernel_fixture_init(&k, 1, 0);
    kernel_fixture_fill(&k, 0);
    return kernel_fixture_collapse(&k, 0);
}

/* Collapses under ENABLED and SHMEM and puts both back before judging. */
static int
collapse_under(const char *enabled, const char *shmem)
{
    g_autofree char *was_enabled = setting("enabled");
    g_autofree char *was_shmem = setting("shmem_enabled");
    set("enabled", enabled);
    set("shmem_enabled", shmem);
    int errnum = try_collapse();
    set("shmem_enabled", was_shmem);
    set("enabled", was_enabled);
    return errnum;
}

static void
as_the_host_is_set(void)
{
    g_autofree char *enabled = setting("enabled");
    g_autofree char *shmem = setting("shmem_enabled");
    g_test_message("enabled=%s shmem_enabled=%s", enabled, shmem);
    if (kernel_fixture_need(strcmp(shmem, "deny") != 0,
                            "shmem_enabled=deny on this host: no huge page "
                            "can be made in shared memory")) {
        g_assert_cmpint(try_collapse(), ==, 0);
    }
}

static void
as_we_set_it(void)
{
    bool may = g_strcmp0(g_getenv("TESTS_MUST_RUN"), "1") == 0 ||
               g_strcmp0(g_getenv("TESTS_MAY_TOUCH_HOST"), "1") == 0;
    if (!kernel_fixture_need(may, "it changes host-wide settings: set "
                                  "TESTS_MAY_TOUCH_HOST=1")) {
        return;
    }
    g_assert_cmpint(collapse_under("never", "never"), ==, 0);
    g_assert_cmpint(collapse_under("madvise", "never"), ==, 0);
    int denied = collapse_under("madvise", "deny");
    g_test_message("under shmem_enabled=deny: %s",
                   denied ? g_strerror(denied) : "works");
    g_assert_cmpint(denied, ==, EINVAL);
}

int
main(int argc, char **argv)
{
    kernel_fixture_main(&argc, &argv);
    kernel_fixture_add("/kernel/settings/as-they-are", as_the_host_is_set);
    kernel_fixture_add("/kernel/settings/changed", as_we_set_it);
    return g_test_run();
}
