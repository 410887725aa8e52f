/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The last line of 'postlude check': see migrate-verdict.h.
 */
#include "migrate/show/migrate-verdict.h"

#include "migrate/core/migrate-json.h"

#define SCHEMA 1

static const char *const verdict_names[] = {
    [MIGRATE_VERDICT_YES] = "yes",
    [MIGRATE_VERDICT_SMALL] = "small",
    [MIGRATE_VERDICT_NO] = "no",
    [MIGRATE_VERDICT_UNKNOWN] = "unknown",
};
G_STATIC_ASSERT(G_N_ELEMENTS(verdict_names) == MIGRATE_VERDICT_UNKNOWN + 1);

static const char *const level_names[] = {
    [MIGRATE_CHECK_OK] = "ok",
    [MIGRATE_CHECK_WARNING] = "warning",
    [MIGRATE_CHECK_MISSING] = "missing",
};
G_STATIC_ASSERT(G_N_ELEMENTS(level_names) == MIGRATE_CHECK_MISSING + 1);

static const char *const subject_names[] = {
    [MIGRATE_SUBJECT_HOST] = "host",
    [MIGRATE_SUBJECT_GUEST] = "guest",
    [MIGRATE_SUBJECT_WAITING] = "waiting",
    [MIGRATE_SUBJECT_UNSEEN] = "unseen",
    [MIGRATE_SUBJECT_DEFINITION] = "definition",
};
G_STATIC_ASSERT(G_N_ELEMENTS(subject_names) == MIGRATE_SUBJECT_DEFINITION + 1);

/* Per subject: yes, and if pages stay small; no. */
static const char *const sentences[][3] = {
    [MIGRATE_SUBJECT_HOST] = {
        "guests can be moved to and from this host",
        "guests can be moved to this host, but arrive with small pages",
        "guests cannot be moved to this host"},
    [MIGRATE_SUBJECT_GUEST] = {
        "this guest can be moved",
        "this guest can be moved, but arrives with small pages",
        "this guest cannot be moved"},
    [MIGRATE_SUBJECT_WAITING] = {
        "this QEMU can take a guest",
        "this QEMU can take a guest, which arrives with small pages",
        "this QEMU cannot take a guest"},
    [MIGRATE_SUBJECT_UNSEEN] = {
        NULL, NULL, "this guest cannot be moved"},
    [MIGRATE_SUBJECT_DEFINITION] = {
        "this domain can be moved when it has been started",
        "this domain can be moved when it has been started, but arrives with "
        "small pages",
        "this domain cannot be moved when it has been started"},
};
G_STATIC_ASSERT(G_N_ELEMENTS(sentences) == MIGRATE_SUBJECT_DEFINITION + 1);

const char *
migrate_verdict_name(MigrateVerdict verdict)
{
    return verdict_names[verdict];
}

static unsigned
verdict_count(const GPtrArray *findings, MigrateCheckLevel level,
              bool small_only)
{
    unsigned n = 0;
    for (guint i = 0; i < findings->len; i++) {
        const MigrateFinding *f = g_ptr_array_index(findings, i);
        n += f->level == level && (f->small || !small_only);
    }
    return n;
}

MigrateVerdict
migrate_verdict(const MigrateChecked *checked, const GPtrArray *findings)
{
    unsigned missing = verdict_count(findings, MIGRATE_CHECK_MISSING, false);
    /* The one is that nobody looked. */
    if (checked->subject == MIGRATE_SUBJECT_UNSEEN && missing <= 1) {
        return MIGRATE_VERDICT_UNKNOWN;
    }
    if (missing > 0) {
        return MIGRATE_VERDICT_NO;
    }
    return verdict_count(findings, MIGRATE_CHECK_WARNING, true) > 0
               ? MIGRATE_VERDICT_SMALL
               : MIGRATE_VERDICT_YES;
}

char *
migrate_verdict_words(const MigrateChecked *checked, const GPtrArray *findings)
{
    MigrateVerdict verdict = migrate_verdict(checked, findings);
    unsigned missing = verdict_count(findings, MIGRATE_CHECK_MISSING, false);
    switch (verdict) {
    case MIGRATE_VERDICT_UNKNOWN:
        return g_strdup("it is not known whether this guest can be moved: its "
                        "RAM was not examined for that");
    case MIGRATE_VERDICT_NO:
        return g_strdup_printf("%s: %u thing%s missing",
                               sentences[checked->subject][2], missing,
                               missing == 1 ? " is" : "s are");
    default:
        return g_strdup(
            sentences[checked->subject][verdict == MIGRATE_VERDICT_SMALL]);
    }
}

static void
put_guest(JsonBuilder *json, const MigrateChecked *checked)
{
    if (checked->subject == MIGRATE_SUBJECT_HOST) {
        json_builder_set_member_name(json, "guest");
        json_builder_add_null_value(json);
        return;
    }
    migrate_json_begin(json, "guest");
    migrate_json_int(json, "pid", (uint64_t)checked->pid);
    migrate_json_text(json, "name", checked->name);
    migrate_json_text(json, "uuid", checked->uuid);
    migrate_json_text(json, "state", checked->state);
    json_builder_end_object(json);
}

static void
put_findings(JsonBuilder *json, const GPtrArray *findings)
{
    json_builder_set_member_name(json, "findings");
    json_builder_begin_array(json);
    for (guint i = 0; i < findings->len; i++) {
        const MigrateFinding *f = g_ptr_array_index(findings, i);
        json_builder_begin_object(json);
        migrate_json_text(json, "level", level_names[f->level]);
        migrate_json_text(json, "what", f->what);
        migrate_json_text(json, "remedy", f->remedy);
        json_builder_end_object(json);
    }
    json_builder_end_array(json);
}

char *
migrate_verdict_to_json(const MigrateChecked *checked,
                        const GPtrArray *findings, const char *xml)
{
    g_autoptr(JsonBuilder) json = json_builder_new();
    g_autofree char *words = migrate_verdict_words(checked, findings);
    json_builder_begin_object(json);
    migrate_json_int(json, "schema", SCHEMA);
    migrate_json_text(json, "verb", "check");
    migrate_json_text(json, "verdict",
                      migrate_verdict_name(migrate_verdict(checked, findings)));
    migrate_json_text(json, "subject", subject_names[checked->subject]);
    migrate_json_text(json, "words", words);
    put_guest(json, checked);
    put_findings(json, findings);
    if (xml) {
        migrate_json_text(json, "xml", xml);
    }
    json_builder_end_object(json);
    return migrate_json_finish(json, true);
}
