/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The margin of memory cgroups, on files as both versions have them, and of a
 * host. The directory's own parents are no cgroups, which ends the climb.
 */
#include <glib/gstdio.h>
#include <unistd.h>

#include "collapse/collapse-margin.h"

#define MIB (UINT64_C(1) << 20)
#define NO_LIMIT_V1 "9223372036854771712\n"

typedef struct {
    const char *name, *text;
} File;

static const File a_cgroup[] = {{"cgroup.procs", "1\n"}, {NULL, NULL}};

typedef struct {
    char *above, *inner;
} Scene;

static void
put(const char *directory, const File *files)
{
    for (; files->name; files++) {
        g_autofree char *path = g_build_filename(directory, files->name, NULL);
        g_autoptr(GError) error = NULL;
        g_file_set_contents(path, files->text, -1, &error);
        g_assert_no_error(error);
    }
}

static void
take_away(const char *directory)
{
    g_autoptr(GDir) dir = g_dir_open(directory, 0, NULL);
    const char *name;
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(directory, name, NULL);
        unlink(path);
    }
    g_assert_no_errno(rmdir(directory));
}

static void
scene_begin(Scene *s)
{
    s->above = g_dir_make_tmp("postlude-margin-XXXXXX", NULL);
    s->inner = g_build_filename(s->above, "vm.scope", NULL);
    g_assert_no_errno(g_mkdir(s->inner, 0700));
    put(s->above, a_cgroup);
    put(s->inner, a_cgroup);
}

static void
scene_end(Scene *s)
{
    take_away(s->inner);
    take_away(s->above);
    g_free(s->inner);
    g_free(s->above);
}

static CollapseMargin *
of_cgroup(const Scene *s)
{
    return collapse_margin_open_at(s->inner, "/dev/null");
}

static const File v2_inner[] = {
    {"memory.max", "104857600\n"},     /* 100 MiB */
    {"memory.current", "94371840\n"},  /* 90 MiB */
    {"memory.swap.max", "0\n"},
    {"memory.swap.current", "0\n"},
    {"memory.stat", "anon 1\nfile 999999999\nshmem 5\nactive_file 1048576\n"
                    "inactive_file 2097152\nunevictable 7\n"},
    {NULL, NULL}};

static void
v2(void)
{
    static const File none_above[] = {
        {"memory.max", "max\n"}, {"memory.current", "999999999999\n"},
        {"memory.stat", ""}, {NULL, NULL}};
    static const File less_above[] = {
        {"memory.max", "1048576\n"}, {"memory.current", "1044480\n"},
        {"memory.swap.max", "0\n"}, {"memory.swap.current", "0\n"},
        {"memory.stat", "anon 3\n"}, {NULL, NULL}};
    static const File freed[] = {{"memory.current", "1048576\n"},
                                 {NULL, NULL}};
    static const File over[] = {
        {"memory.current", "204857600\n"},
        {"memory.stat", "anon 3\nmapped_active_file 77777777"}, {NULL, NULL}};
    Scene s;
    scene_begin(&s);
    put(s.inner, v2_inner);
    put(s.above, none_above);
    g_autoptr(CollapseMargin) margin = of_cgroup(&s);
    g_assert_cmpuint(collapse_margin_bytes(margin), ==, 13 * MIB);
    put(s.above, less_above);
    /* The files are replaced, and it has the old ones open. */
    g_assert_cmpuint(collapse_margin_bytes(margin), ==, 13 * MIB);
    g_autoptr(CollapseMargin) now = of_cgroup(&s);
    g_assert_cmpuint(collapse_margin_bytes(now), ==, 4096);
    put(s.above, none_above);
    put(s.inner, freed);
    g_autoptr(CollapseMargin) roomy = of_cgroup(&s);
    g_assert_cmpuint(collapse_margin_bytes(roomy), ==, 99 * MIB);
    put(s.inner, over);
    g_autoptr(CollapseMargin) full = of_cgroup(&s);
    g_assert_cmpuint(collapse_margin_bytes(full), ==, 0);
    scene_end(&s);
}

/* In v1 memsw counts memory and swap together, and may be the lower of both. */
static void
v1(void)
{
    static const File inner[] = {
        {"memory.limit_in_bytes", "104857600\n"},
        {"memory.usage_in_bytes", "94371840\n"},
        {"memory.memsw.limit_in_bytes", "104857600\n"},
        {"memory.memsw.usage_in_bytes", "95420416\n"},
        {"memory.stat", "inactive_file 9999999\nactive_file 9999999\n"
                        "total_inactive_file 1048576\n"
                        "total_active_file 1048576\n"},
        {NULL, NULL}};
    static const File above[] = {
        {"memory.limit_in_bytes", NO_LIMIT_V1},
        {"memory.usage_in_bytes", "999999999\n"},
        {"memory.memsw.limit_in_bytes", NO_LIMIT_V1},
        {"memory.memsw.usage_in_bytes", "999999999\n"},
        {"memory.stat", ""}, {NULL, NULL}};
    Scene s;
    scene_begin(&s);
    put(s.inner, inner);
    put(s.above, above);
    g_autoptr(CollapseMargin) margin = of_cgroup(&s);
    g_assert_cmpuint(collapse_margin_bytes(margin), ==, 11 * MIB);
    scene_end(&s);
}

/* As libvirt has them: the threads' own cgroups know of no memory. */
static void
threaded(void)
{
    Scene s;
    scene_begin(&s);
    put(s.above, v2_inner);
    g_autoptr(CollapseMargin) margin = of_cgroup(&s);
    g_assert_cmpuint(collapse_margin_bytes(margin), ==, 13 * MIB);
    scene_end(&s);
}

/* What only looks like one, outside of the cgroup file system, is none. */
static void
no_cgroup(void)
{
    Scene s;
    scene_begin(&s);
    put(s.above, v2_inner);
    g_autofree char *procs = g_build_filename(s.inner, "cgroup.procs", NULL);
    g_assert_no_errno(unlink(procs));
    g_autoptr(CollapseMargin) margin = of_cgroup(&s);
    g_assert_cmpuint(collapse_margin_bytes(margin), ==, UINT64_MAX);
    scene_end(&s);
}

static void
host(void)
{
    static const File roomy[] = {
        {"meminfo", "MemTotal:       24644304 kB\nMemFree:  1 kB\n"
                    "MemAvailable:       3072 kB\nSwapFree: 1024 kB\n"},
        {NULL, NULL}};
    static const File full[] = {
        {"meminfo", "MemAvailable:   0 kB\nSwapFree:       0 kB\n"},
        {NULL, NULL}};
    static const File swaps[] = {{"memory.swap.max", "max\n"}, {NULL, NULL}};
    Scene s;
    scene_begin(&s);
    put(s.inner, v2_inner);
    put(s.above, roomy);
    g_autofree char *meminfo = g_build_filename(s.above, "meminfo", NULL);
    g_autoptr(CollapseMargin) alone = collapse_margin_open_at(NULL, meminfo);
    g_assert_cmpuint(collapse_margin_bytes(alone), ==, 4 * MIB);
    g_autoptr(CollapseMargin) both = collapse_margin_open_at(s.inner, meminfo);
    g_assert_cmpuint(collapse_margin_bytes(both), ==, 4 * MIB);
    put(s.above, full);
    g_autoptr(CollapseMargin) none = collapse_margin_open_at(s.inner, meminfo);
    g_assert_cmpuint(collapse_margin_bytes(none), ==, 0);
    /* The cgroup may use the host's swap, as far as there is some. */
    static const File plenty[] = {
        {"meminfo", "MemAvailable: 999999 kB\nSwapFree: 2048 kB\n"},
        {NULL, NULL}};
    put(s.inner, swaps);
    put(s.above, plenty);
    g_autoptr(CollapseMargin) out = collapse_margin_open_at(s.inner, meminfo);
    g_assert_cmpuint(collapse_margin_bytes(out), ==, 15 * MIB);
    scene_end(&s);
}

static void
ours(void)
{
    g_autoptr(CollapseMargin) margin = collapse_margin_open(getpid());
    g_autoptr(CollapseMargin) host =
        collapse_margin_open_at(NULL, "/proc/meminfo");
    g_assert_cmpuint(collapse_margin_bytes(margin), >, 0);
    g_assert_cmpuint(collapse_margin_bytes(host), <, UINT64_MAX);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/margin/v2", v2);
    g_test_add_func("/margin/v1", v1);
    g_test_add_func("/margin/threaded", threaded);
    g_test_add_func("/margin/no-cgroup", no_cgroup);
    g_test_add_func("/margin/host", host);
    g_test_add_func("/margin/ours", ours);
    return g_test_run();
}
