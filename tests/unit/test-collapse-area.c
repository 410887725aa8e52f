/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Which mappings are taken for guest RAM, and what is seen to hinder them.
 */
#include <string.h>

#include "collapse/collapse-area.h"

/* A QEMU with 64 MiB of anonymous RAM, TCG's code, a heap, a ROM. */
static const char plain[] =
    "10000000-18000000 rwxp 00000000 00:00 0\n"
    "55550000-55900000 rw-p 00000000 00:00 0 [heap]\n"
    "7f0000000000-7f0004000000 rw-p 00000000 00:00 0\n"
    "AnonHugePages: 2048 kB\nVmFlags: rd wr mr mw me ac sd hg\n"
    "7f0004000000-7f0004001000 ---p 00000000 00:00 0\n"
    "7f0005000000-7f0005300000 rw-p 00000000 00:00 0\n"
    "7f0006000000-7f0007000000 rw-p 00000000 00:00 0\n";

static GArray *
cut(const char *text, GArray *(*choose)(GArray *), const CollapseFacts *facts)
{
    static const CollapseFacts none = {0};
    g_autoptr(GArray) mappings = proc_maps_parse(text);
    g_autoptr(GArray) ranges = choose(mappings);
    return collapse_area_list(mappings, ranges, facts ? facts : &none);
}

static const CollapseArea *
at(GArray *areas, guint i)
{
    g_assert_cmpuint(areas->len, >, i);
    return &g_array_index(areas, CollapseArea, i);
}

static void
the_largest_are_ram(void)
{
    g_autoptr(GArray) areas = cut(plain, collapse_area_largest, NULL);
    g_assert_cmpuint(areas->len, ==, 2);
    g_assert_cmphex(at(areas, 0)->hva, ==, 0x7f0000000000);
    g_assert_cmpuint(at(areas, 0)->extents, ==, 32);
    g_assert_cmpuint(at(areas, 0)->huge_bytes, ==, 2 << 20);
    g_assert_cmpint(at(areas, 0)->hindrance, ==, COLLAPSE_OUTCOME_WAITING);
    g_assert_cmphex(at(areas, 1)->hva, ==, 0x7f0006000000);
}

/* A BAR that VFIO maps is larger than eight times the RAM. */
static void
a_device_is_no_ram(void)
{
    static const char text[] =
        "7f0000000000-7f0008000000 rw-p 00000000 00:00 0\n"
        "VmFlags: rd wr mr mw me ac sd hg\n"
        "7f1000000000-7f1080000000 rw-s 00000000 00:0d 7 /dev/vfio/12\n"
        "VmFlags: rd wr sh mr mw me ms pf io de dd sd\n"
        "7f2000000000-7f2080000000 rw-s 00000000 00:0d 8 /dev/mine\n"
        "VmFlags: rd wr sh mr mw me ms pf de dd sd\n"
        "7f3000000000-7f3080000000 rw-s 00000000 00:0d 9 /dev/other\n"
        "VmFlags: rd wr sh mr mw me ms io de dd sd\n";
    g_autoptr(GArray) areas = cut(text, collapse_area_largest, NULL);
    g_autoptr(GArray) all = cut(text, collapse_area_all, NULL);
    g_assert_cmpuint(areas->len, ==, 1);
    g_assert_cmphex(at(areas, 0)->hva, ==, 0x7f0000000000);
    g_assert_cmpuint(all->len, ==, 1);
}

/* 4 GiB, and beside it: a DIMM of 128 MiB, video RAM of 64, and as much as the
 * DIMM for which nobody has asked for huge pages. */
static void
a_small_dimm_is_ram(void)
{
    static const char text[] =
        "7f0000000000-7f0100000000 rw-p 00000000 00:00 0\n"
        "VmFlags: rd wr mr mw me ac sd hg\n"
        "7f1000000000-7f1008000000 rw-p 00000000 00:00 0\n"
        "VmFlags: rd wr mr mw me ac sd hg\n"
        "7f2000000000-7f2004000000 rw-p 00000000 00:00 0\n"
        "VmFlags: rd wr mr mw me ac sd hg\n"
        "7f3000000000-7f3008000000 rw-p 00000000 00:00 0\n"
        "VmFlags: rd wr mr mw me ac sd\n"
        "7f4000000000-7f4008000000 rwxp 00000000 00:00 0\n"
        "VmFlags: rd wr ex mr mw me ac sd hg\n";
    g_autoptr(GArray) areas = cut(text, collapse_area_largest, NULL);
    g_assert_cmpuint(areas->len, ==, 2);
    g_assert_cmphex(at(areas, 1)->hva, ==, 0x7f1000000000);
    g_assert_cmpuint(at(areas, 1)->extents, ==, 64);
}

static void
all_is_more(void)
{
    g_autoptr(GArray) areas = cut(plain, collapse_area_all, NULL);
    g_assert_cmpuint(areas->len, ==, 3);
    g_assert_cmphex(at(areas, 1)->hva, ==, 0x7f0005000000);
    g_assert_cmpuint(at(areas, 1)->extents, ==, 1);
}

/* 32 MiB in one piece, 32 MiB in two that the kernel has split, and two that
 * adjoin by chance: another file. */
static void
blocks_are_found_by_size(void)
{
    static const char text[] =
        "7f0000000000-7f0002000000 rw-p 00000000 00:00 0\n"
        "7f0010000000-7f0011000000 rw-p 00000000 00:00 0\n"
        "7f0011000000-7f0012000000 rw-p 00000000 00:00 0\n"
        "7f0020000000-7f0021000000 rw-s 00000000 00:01 7 /dev/shm/a\n"
        "7f0021000000-7f0022000000 rw-s 00000000 00:01 8 /dev/shm/b\n";
    g_autoptr(GArray) mappings = proc_maps_parse(text);
    g_autoptr(GArray) ranges = g_array_new(false, false, sizeof(Range));
    g_assert_true(collapse_area_by_size(mappings, 32 << 20, ranges));
    g_assert_cmpuint(ranges->len, ==, 2);
    g_assert_cmphex(g_array_index(ranges, Range, 1).start, ==, 0x7f0010000000);
    g_assert_false(collapse_area_by_size(mappings, 48 << 20, ranges));
    /* A second block of that size finds the same ones; each counts once. */
    collapse_area_by_size(mappings, 32 << 20, ranges);
    const CollapseFacts facts = {0};
    g_autoptr(GArray) areas = collapse_area_list(mappings, ranges, &facts);
    g_assert_cmpuint(areas->len, ==, 3);
    g_assert_cmpuint(at(areas, 0)->extents + at(areas, 1)->extents +
                         at(areas, 2)->extents, ==, 32);
}

static void
only_whole_extents(void)
{
    static const char text[] =
        "7f00001ff000-7f0000801000 rw-p 00000000 00:00 0\n";
    g_autoptr(GArray) areas = cut(text, collapse_area_largest, NULL);
    g_assert_cmphex(at(areas, 0)->hva, ==, 0x7f0000200000);
    g_assert_cmpuint(at(areas, 0)->extents, ==, 3);
    g_assert_cmpint(at(areas, 0)->hindrance, ==, COLLAPSE_OUTCOME_WAITING);
}

static void
each_hindrance(void)
{
    static const struct {
        const char *mapping;
        CollapseFacts facts;
        CollapseOutcome why;
    } cases[] = {
        {"7f0000000000-7f0001000000 rw-s 00000000 00:01 7 /dev/shm/a\n",
         {0}, COLLAPSE_OUTCOME_WAITING},
        {"7f00001ff000-7f0001000000 rw-s 00000000 00:01 7 /memfd:m\n",
         {0}, COLLAPSE_OUTCOME_MISALIGNED},
        /* Off by the same in memory and in the file: that fits. */
        {"7f00001ff000-7f0001000000 rw-s 001ff000 00:01 7 /memfd:m\n",
         {0}, COLLAPSE_OUTCOME_WAITING},
        {"7f0000000000-7f0001000000 rw-p 00000000 00:01 7 /dev/shm/a\n",
         {0}, COLLAPSE_OUTCOME_PRIVATE_FILE},
        {"7f0000000000-7f0001000000 rw-s 00000000 00:01 7 /dev/shm/a\n",
         {.shmem_denied = true}, COLLAPSE_OUTCOME_DENIED},
        {"7f0000000000-7f0001000000 rw-p 00000000 00:00 0\n",
         {.shmem_denied = true}, COLLAPSE_OUTCOME_WAITING},
        {"7f0000000000-7f0001000000 rw-p 00000000 00:00 0\n",
         {.thp_disabled = true}, COLLAPSE_OUTCOME_DISABLED},
        {"7f0000000000-7f0001000000 rw-p 00000000 00:00 0\n"
         "VmFlags: rd wr nh\n", {0}, COLLAPSE_OUTCOME_NOHUGEPAGE},
        {"7f0000000000-7f0001000000 rw-p 00000000 00:00 0\n"
         "VmFlags: rd wr um nh\n", {0}, COLLAPSE_OUTCOME_USERFAULTFD},
        {"7f0000000000-7f0001000000 rw-s 00000000 00:01 7 /a\n"
         "VmFlags: rd wr ui\n", {0}, COLLAPSE_OUTCOME_USERFAULTFD},
        {"7f0000000000-7f0001000000 rw-s 00000000 00:01 7 /a\n"
         "VmFlags: rd wr ht\n", {0}, COLLAPSE_OUTCOME_HUGETLB},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GArray) areas =
            cut(cases[i].mapping, collapse_area_largest, &cases[i].facts);
        g_assert_cmpint(at(areas, 0)->hindrance, ==, cases[i].why);
    }
}

/* Whoever reads the report gets words for each outcome, and a remedy for each
 * that can be remedied. */
static void
every_outcome_has_words(void)
{
    for (unsigned i = 0; i < COLLAPSE_OUTCOMES; i++) {
        g_assert_cmpuint(strlen(collapse_outcome_name(i)), >, 0);
        g_assert_cmpuint(strlen(collapse_outcome_words(i)), >, 0);
        bool beyond_remedy = i == COLLAPSE_OUTCOME_GONE ||
                             i == COLLAPSE_OUTCOME_UNMAPPED;
        g_assert_true((collapse_outcome_remedy(i) != NULL) ==
                      (collapse_outcome_is_failure(i) && !beyond_remedy));
        for (unsigned j = 0; j < i; j++) {
            g_assert_cmpstr(collapse_outcome_name(i), !=,
                            collapse_outcome_name(j));
        }
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/collapse-area/largest", the_largest_are_ram);
    g_test_add_func("/collapse-area/device", a_device_is_no_ram);
    g_test_add_func("/collapse-area/dimm", a_small_dimm_is_ram);
    g_test_add_func("/collapse-area/all", all_is_more);
    g_test_add_func("/collapse-area/by-size", blocks_are_found_by_size);
    g_test_add_func("/collapse-area/whole", only_whole_extents);
    g_test_add_func("/collapse-area/hindrance", each_hindrance);
    g_test_add_func("/collapse-area/words", every_outcome_has_words);
    return g_test_run();
}
