/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The journal there and back; cut off at every byte; every key missing.
 */
#include "migrate/takeover/migrate-journal.h"

#include <string.h>

#include "base/error.h"
#include "base/range.h"

static MigrateBlock blocks[2] = {
    {.name = (char *)"ram = [0]\n", .bytes = 3 * EXTENT_BYTES + PAGE_BYTES,
     .hva = UINT64_C(0x7f0000200000), .file_offset = 0, .dev_major = 0,
     .dev_minor = 27, .inode = UINT64_MAX, .aligned = true},
    {.name = (char *)"pc.ram", .bytes = PAGE_BYTES, .hva = PAGE_BYTES,
     .file_offset = 2 * PAGE_BYTES, .inode = 1},
};

static MigrateJournal
make(void)
{
    MigrateJournal journal = {
        .options = {.role = MIGRATE_RECEIVE,
                    .qmp_path = (char *)"/run/a b;c.qmp",
                    .address = (char *)"unix:/run/x",
                    .peer_timeout_s = 7,
                    .link_timeout_s = 3,
                    .insecure = true},
        .committed = true,
        .starting = true,
        .ran = true,
        .ended = WIRE_ENDED_STOPPED,
        .refused = true,
        .begun = true,
        .guest_ran = true,
        .qemu_pid = 4711,
        .qemu_started = UINT64_MAX,
        .remote_uffd = 33,
        .stopped_us = -5,
        .vm_name = (char *)"gast \xc3\xbc",
        .n_streams = 2,
        .account = {.takeovers = 1, .started_ns = 7, .laid_extents = 4},
        .n_blocks = 2,
        .blocks = blocks,
    };
    for (unsigned i = 0; i < WIRE_SESSION_BYTES; i++) {
        journal.session[i] = (uint8_t)(i * 17);
    }
    return journal;
}

static void
there_and_back(void)
{
    MigrateJournal in = make();
    g_auto(MigrateJournal) out = {0};
    g_autoptr(GError) error = NULL;
    in.options.known = (char *)"192.0.2.7 fe80::1%1";
    g_autofree char *text = migrate_journal_to_text(&in);
    migrate_journal_from_text(text, &out, &error);
    g_assert_no_error(error);
    g_autofree char *again = migrate_journal_to_text(&out);
    g_assert_cmpstr(text, ==, again);
    g_assert_cmpint(out.options.role, ==, MIGRATE_RECEIVE);
    g_assert_cmpstr(out.options.qmp_path, ==, in.options.qmp_path);
    g_assert_cmpstr(out.options.known, ==, in.options.known);
    g_assert_null(out.options.report_path);
    g_assert_cmpmem(out.session, sizeof out.session, in.session,
                    sizeof in.session);
    g_assert_true(out.committed && out.starting && out.refused &&
                  out.begun && out.guest_ran);
    g_assert_true(out.ran);
    g_assert_cmpint(out.ended, ==, WIRE_ENDED_STOPPED);
    g_assert_cmpuint(out.qemu_started, ==, UINT64_MAX);
    g_assert_cmpint(out.stopped_us, ==, -5);
    g_assert_cmpstr(out.vm_name, ==, in.vm_name);
    g_assert_cmpmem(&out.account, sizeof out.account, &in.account,
                    sizeof in.account);
    g_assert_cmpstr(out.blocks[0].name, ==, blocks[0].name);
    g_assert_cmpuint(out.blocks[0].pages, ==, 3 * 512 + 1);
    g_assert_cmpuint(out.blocks[0].extents, ==, 4);
    g_assert_cmpint(out.blocks[0].file, ==, -1);
    g_assert_true(out.blocks[0].aligned && !out.blocks[1].aligned);
}

static void
refuse(const char *text, const char *about)
{
    g_autoptr(GError) error = NULL;
    g_auto(MigrateJournal) out = {0};
    if (migrate_journal_from_text(text, &out, &error)) {
        g_error("taken: %s", about);
    }
    g_assert_true(error_is(error, ERROR_PROTOCOL));
    g_assert_null(out.blocks);
}

static void
cut_off(void)
{
    MigrateJournal in = make();
    g_autofree char *text = migrate_journal_to_text(&in);
    char *seal = strstr(text, "sealed=true");
    for (char *end = seal + strlen("sealed=tru"); end >= text; end--) {
        *end = '\0';
        refuse(text, text);
    }
}

static void
without_a_line(void)
{
    MigrateJournal in = make();
    g_autofree char *text = migrate_journal_to_text(&in);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    for (unsigned i = 0; lines[i]; i++) {
        bool needed = strchr(lines[i], '=') &&
                      !g_str_has_prefix(lines[i], "qmp=") &&
                      !g_str_has_prefix(lines[i], "ran=") &&
                      !g_str_has_prefix(lines[i], "ended=") &&
                      !g_str_has_prefix(lines[i], "vm=");
        g_autoptr(GString) rest = g_string_new(NULL);
        for (unsigned j = 0; lines[j]; j++) {
            if (j != i) {
                g_string_append_printf(rest, "%s\n", lines[j]);
            }
        }
        if (needed) {
            refuse(rest->str, lines[i]);
        }
    }
}

static void
nonsense(void)
{
    static const char *const changes[][2] = {
        {"version=3", "version=2"},      {"role=receive", "role=both"},
        {"blocks=2", "blocks=3"},        {"blocks=2", "blocks=0"},
        {"blocks=2", "blocks=201"},      {"qemu-pid=4711", "qemu-pid=0"},
        {"qemu-pid=4711", "qemu-pid=-1"},{"streams=2", "streams=65"},
        {"session=00", "session=0"},     {"session=00", "session=0g"},
        {"bytes=4096", "bytes=4095"},    {"bytes=4096", "bytes=0"},
        {"hva=4096", "hva=1"},           {"offset=8192", "offset=1"},
        {"inode=1", "inode=0"},          {"peer-timeout=7", "peer-timeout=0"},
        {"hva=4096", "hva=18446744073709547520"},
        {"ended=2", "ended=4"},          {"ran=1", "ran=2"},
        {"started-ns=7", "started-ns=-7"},
        {"laid-extents=4", "laid-extents=576460752303423488"},
        {"qmp=/run/a b;c.qmp", "qmp=a b;c.qmp"},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(changes); i++) {
        MigrateJournal in = make();
        g_autofree char *text = migrate_journal_to_text(&in);
        g_autoptr(GString) bad = g_string_new(text);
        g_autofree char *from = g_strdup_printf("\n%s", changes[i][0]);
        g_autofree char *to = g_strdup_printf("\n%s", changes[i][1]);
        g_assert_cmpuint(g_string_replace(bad, from, to, 0), >, 0);
        refuse(bad->str, changes[i][1]);
    }
    refuse("", "nothing");
    refuse("x", "a word");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/journal/there-and-back", there_and_back);
    g_test_add_func("/journal/cut-off", cut_off);
    g_test_add_func("/journal/without-a-line", without_a_line);
    g_test_add_func("/journal/nonsense", nonsense);
    return g_test_run();
}
