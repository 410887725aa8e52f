/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The journal as text: see migrate-journal.h. GLib's key files do the syntax;
 * the last group is the seal, so that text that was cut off is noticed even
 * where it was cut between two lines.
 */
#include "migrate/takeover/migrate-journal.h"

#include <inttypes.h>
#include <string.h>

#include "base/error.h"
#include "base/range.h"

#define HEAD "migration"
#define ACCOUNT "account"
#define SEAL "end"
/* Sums of several of them do not overflow either. */
#define MOST_COUNTED ((uint64_t)INT64_MAX / 16)
#define VERSION 3 /* 3: refused, account */

static void
clear_blocks(MigrateBlock *blocks, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        g_free(blocks[i].name);
    }
    g_free(blocks);
}

void
migrate_journal_clear(MigrateJournal *journal)
{
    migrate_options_clear(&journal->options);
    g_free(journal->vm_name);
    g_free(journal->vm_uuid);
    clear_blocks(journal->blocks, journal->n_blocks);
    *journal = (MigrateJournal){0};
}

static void
put_text(GKeyFile *file, const char *key, const char *value)
{
    if (value) {
        g_key_file_set_string(file, HEAD, key, value);
    }
}

static void
put_block(GKeyFile *file, unsigned i, const MigrateBlock *block)
{
    g_autofree char *group = g_strdup_printf("block %u", i);
    g_key_file_set_string(file, group, "name", block->name);
    g_key_file_set_uint64(file, group, "bytes", block->bytes);
    g_key_file_set_uint64(file, group, "hva", block->hva);
    g_key_file_set_uint64(file, group, "offset", block->file_offset);
    g_key_file_set_uint64(file, group, "dev-major", block->dev_major);
    g_key_file_set_uint64(file, group, "dev-minor", block->dev_minor);
    g_key_file_set_uint64(file, group, "inode", block->inode);
    g_key_file_set_boolean(file, group, "aligned", block->aligned);
}

static void
put_session(GKeyFile *file, const uint8_t session[WIRE_SESSION_BYTES])
{
    g_autoptr(GString) hex = g_string_new(NULL);
    for (unsigned i = 0; i < WIRE_SESSION_BYTES; i++) {
        g_string_append_printf(hex, "%02x", session[i]);
    }
    g_key_file_set_string(file, HEAD, "session", hex->str);
}

static void
put_options(GKeyFile *file, const MigrateOptions *options)
{
    g_key_file_set_string(file, HEAD, "role",
                          options->role == MIGRATE_SEND ? "send" : "receive");
    put_text(file, "qmp", options->qmp_path);
    put_text(file, "address", options->address);
    put_text(file, "known", options->known);
    put_text(file, "report", options->report_path);
    g_key_file_set_integer(file, HEAD, "peer-timeout", options->peer_timeout_s);
    g_key_file_set_integer(file, HEAD, "link-timeout", options->link_timeout_s);
    g_key_file_set_boolean(file, HEAD, "insecure", options->insecure);
    g_key_file_set_boolean(file, HEAD, "paused", options->paused);
    g_key_file_set_boolean(file, HEAD, "follow", options->follow);
    g_key_file_set_boolean(file, HEAD, "tls", options->tls);
    put_text(file, "tls-creds", options->tls_creds);
    put_text(file, "tls-psk", options->tls_psk);
    put_text(file, "tls-name", options->tls_name);
}

static uint64_t *
field_of(MigrateAccount *account, unsigned i)
{
    char *at = (char *)account + migrate_account_fields[i].offset;
    return (uint64_t *)(void *)at;
}

static void
put_account(GKeyFile *file, const MigrateAccount *account)
{
    MigrateAccount copy = *account;
    for (unsigned i = 0; i < migrate_account_n_fields; i++) {
        g_key_file_set_uint64(file, ACCOUNT, migrate_account_fields[i].key,
                              *field_of(&copy, i));
    }
}

char *
migrate_journal_to_text(const MigrateJournal *journal)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_key_file_set_integer(file, HEAD, "version", VERSION);
    put_options(file, &journal->options);
    g_key_file_set_boolean(file, HEAD, "committed", journal->committed);
    g_key_file_set_boolean(file, HEAD, "starting", journal->starting);
    g_key_file_set_boolean(file, HEAD, "refused", journal->refused);
    g_key_file_set_boolean(file, HEAD, "begun", journal->begun);
    g_key_file_set_boolean(file, HEAD, "guest-ran", journal->guest_ran);
    if (journal->ran) {
        g_key_file_set_uint64(file, HEAD, "ran", 1);
    }
    if (journal->ended) {
        g_key_file_set_uint64(file, HEAD, "ended", journal->ended);
    }
    g_key_file_set_integer(file, HEAD, "qemu-pid", journal->qemu_pid);
    g_key_file_set_uint64(file, HEAD, "qemu-started", journal->qemu_started);
    g_key_file_set_integer(file, HEAD, "userfaultfd", journal->remote_uffd);
    g_key_file_set_int64(file, HEAD, "stopped-us", journal->stopped_us);
    put_text(file, "vm", journal->vm_name);
    put_text(file, "uuid", journal->vm_uuid);
    put_session(file, journal->session);
    g_key_file_set_uint64(file, HEAD, "streams", journal->n_streams);
    g_key_file_set_uint64(file, HEAD, "blocks", journal->n_blocks);
    for (unsigned i = 0; i < journal->n_blocks; i++) {
        put_block(file, i, &journal->blocks[i]);
    }
    put_account(file, &journal->account);
    g_key_file_set_boolean(file, SEAL, "sealed", true);
    return g_key_file_to_data(file, NULL, NULL);
}

/* One reader for the whole: the first thing that is wrong is kept. */
typedef struct {
    GKeyFile *file;
    GError *why;
} Reader;

static uint64_t
get_number(Reader *r, const char *group, const char *key, uint64_t least,
           uint64_t most)
{
    uint64_t value =
        r->why ? 0 : g_key_file_get_uint64(r->file, group, key, &r->why);
    if (!r->why && (value < least || value > most)) {
        error_set(&r->why, ERROR_PROTOCOL, "%s is out of range", key);
    }
    return r->why ? 0 : value;
}

static bool
get_flag(Reader *r, const char *group, const char *key)
{
    return !r->why && g_key_file_get_boolean(r->file, group, key, &r->why);
}

static char *
get_text(Reader *r, const char *group, const char *key)
{
    return r->why ? NULL
                  : g_key_file_get_string(r->file, group, key, &r->why);
}

static char *
get_optional(Reader *r, const char *key)
{
    return r->why || !g_key_file_has_key(r->file, HEAD, key, NULL)
               ? NULL
               : get_text(r, HEAD, key);
}

static uint64_t
get_optional_number(Reader *r, const char *key, uint64_t most)
{
    return r->why || !g_key_file_has_key(r->file, HEAD, key, NULL)
               ? 0
               : get_number(r, HEAD, key, 0, most);
}

/* Who takes over may stand in another directory, so a path that is not absolute
 * means nothing. */
static char *
get_path(Reader *r, const char *key)
{
    char *path = get_optional(r, key);
    if (path && !g_path_is_absolute(path) && !r->why) {
        error_set(&r->why, ERROR_PROTOCOL, "%s is not an absolute path", key);
    }
    return path;
}

static void
get_session(Reader *r, uint8_t session[WIRE_SESSION_BYTES])
{
    g_autofree char *hex = get_text(r, HEAD, "session");
    bool ok = hex && strlen(hex) == 2 * WIRE_SESSION_BYTES;
    for (unsigned i = 0; ok && i < WIRE_SESSION_BYTES; i++) {
        int high = g_ascii_xdigit_value(hex[2 * i]);
        int low = g_ascii_xdigit_value(hex[2 * i + 1]);
        ok = high >= 0 && low >= 0;
        session[i] = ok ? (uint8_t)(high << 4 | low) : 0;
    }
    if (!ok && !r->why) {
        error_set(&r->why, ERROR_PROTOCOL, "the session is no session");
    }
}

static void
get_options(Reader *r, MigrateOptions *options)
{
    g_autofree char *role = get_text(r, HEAD, "role");
    options->role = g_strcmp0(role, "send") == 0 ? MIGRATE_SEND
                                                 : MIGRATE_RECEIVE;
    if (!r->why && options->role != MIGRATE_SEND &&
        !g_str_equal(role, "receive")) {
        error_set(&r->why, ERROR_PROTOCOL, "no such role: %s", role);
    }
    options->qmp_path = get_path(r, "qmp");
    options->address = get_text(r, HEAD, "address");
    options->known = get_optional(r, "known");
    options->report_path = get_path(r, "report");
    options->peer_timeout_s =
        (int)get_number(r, HEAD, "peer-timeout", 1, 86400);
    options->link_timeout_s =
        (int)get_number(r, HEAD, "link-timeout", 1, 3600);
    options->insecure = get_flag(r, HEAD, "insecure");
    options->paused = get_flag(r, HEAD, "paused");
    options->follow = get_flag(r, HEAD, "follow");
    options->tls = get_flag(r, HEAD, "tls");
    options->tls_creds = get_path(r, "tls-creds");
    options->tls_psk = get_path(r, "tls-psk");
    options->tls_name = get_optional(r, "tls-name");
}

static void
get_block(Reader *r, unsigned i, MigrateBlock *block)
{
    g_autofree char *group = g_strdup_printf("block %u", i);
    block->file = -1;
    block->name = get_text(r, group, "name");
    block->bytes = get_number(r, group, "bytes", PAGE_BYTES,
                              EXTENT_BYTES * (uint64_t)UINT32_MAX);
    block->hva = get_number(r, group, "hva", 0, UINT64_MAX - block->bytes);
    block->file_offset = get_number(r, group, "offset", 0,
                                    (uint64_t)INT64_MAX - block->bytes);
    block->dev_major =
        (unsigned)get_number(r, group, "dev-major", 0, UINT32_MAX);
    block->dev_minor =
        (unsigned)get_number(r, group, "dev-minor", 0, UINT32_MAX);
    block->inode = get_number(r, group, "inode", 1, UINT64_MAX);
    block->aligned = get_flag(r, group, "aligned");
    block->pages = block->bytes / PAGE_BYTES;
    block->extents = (uint32_t)range_units(block->bytes, EXTENT_BYTES);
    if (!r->why && (!range_is_aligned(block->bytes, PAGE_BYTES) ||
                    !range_is_aligned(block->hva, PAGE_BYTES) ||
                    !range_is_aligned(block->file_offset, PAGE_BYTES))) {
        error_set(&r->why, ERROR_PROTOCOL, "RAM block '%s' is not made of "
                  "pages", block->name);
    }
}

/* Its keys would be guessed at. */
static void
check_version(Reader *r)
{
    uint64_t version = get_number(r, HEAD, "version", 1, UINT32_MAX);
    if (!r->why && version != VERSION) {
        error_set(&r->why, ERROR_PROTOCOL,
                  "another version of postlude wrote it (format %" PRIu64
                  ", this one reads %d): take over with that version",
                  version, VERSION);
    }
}

static void
get_all(Reader *r, MigrateJournal *journal)
{
    check_version(r);
    get_options(r, &journal->options);
    journal->committed = get_flag(r, HEAD, "committed");
    journal->starting = get_flag(r, HEAD, "starting");
    journal->refused = get_flag(r, HEAD, "refused");
    journal->begun = get_flag(r, HEAD, "begun");
    journal->guest_ran = get_flag(r, HEAD, "guest-ran");
    journal->ran = get_optional_number(r, "ran", 1);
    journal->ended =
        (WireEndedCode)get_optional_number(r, "ended", WIRE_ENDED_LAST);
    journal->qemu_pid = (pid_t)get_number(r, HEAD, "qemu-pid", 1, INT32_MAX);
    journal->qemu_started =
        get_number(r, HEAD, "qemu-started", 0, UINT64_MAX);
    journal->remote_uffd =
        r->why ? -1
               : g_key_file_get_integer(r->file, HEAD, "userfaultfd", &r->why);
    journal->stopped_us =
        r->why ? 0
               : g_key_file_get_int64(r->file, HEAD, "stopped-us", &r->why);
    journal->vm_name = get_optional(r, "vm");
    journal->vm_uuid = get_optional(r, "uuid");
    get_session(r, journal->session);
    journal->n_streams =
        (unsigned)get_number(r, HEAD, "streams", 0, WIRE_MAX_STREAMS);
    journal->n_blocks =
        (unsigned)get_number(r, HEAD, "blocks", 1, WIRE_MAX_BLOCKS);
    journal->blocks = g_new0(MigrateBlock, MAX(journal->n_blocks, 1));
    for (unsigned i = 0; i < journal->n_blocks; i++) {
        get_block(r, i, &journal->blocks[i]);
    }
    for (unsigned i = 0; i < migrate_account_n_fields; i++) {
        *field_of(&journal->account, i) =
            get_number(r, ACCOUNT, migrate_account_fields[i].key, 0,
                       MOST_COUNTED);
    }
    get_flag(r, SEAL, "sealed");
}

bool
migrate_journal_from_text(const char *text, MigrateJournal *journal,
                          GError **error)
{
    g_autoptr(GKeyFile) file = g_key_file_new();
    Reader r = {.file = file};
    *journal = (MigrateJournal){.remote_uffd = -1};
    if (g_key_file_load_from_data(file, text, strlen(text), G_KEY_FILE_NONE,
                                  &r.why)) {
        get_all(&r, journal);
    }
    if (!r.why) {
        return true;
    }
    migrate_journal_clear(journal);
    error_set(error, ERROR_PROTOCOL, "the journal cannot be read: %s",
              r.why->message);
    g_error_free(r.why);
    return false;
}
