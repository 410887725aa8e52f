/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What findings come to, in words and as JSON.
 */
#include "migrate/show/migrate-verdict.h"

#include <json-glib/json-glib.h>

typedef struct {
    MigrateSubject subject;
    unsigned small, warnings, missing;
    const char *name, *words;
} Case;

static const Case cases[] = {
    {MIGRATE_SUBJECT_GUEST, 0, 0, 0, "yes", "this guest can be moved"},
    {MIGRATE_SUBJECT_GUEST, 0, 3, 0, "yes", "this guest can be moved"},
    {MIGRATE_SUBJECT_GUEST, 1, 0, 0, "small",
     "this guest can be moved, but arrives with small pages"},
    {MIGRATE_SUBJECT_GUEST, 1, 0, 1, "no",
     "this guest cannot be moved: 1 thing is missing"},
    {MIGRATE_SUBJECT_GUEST, 0, 1, 3, "no",
     "this guest cannot be moved: 3 things are missing"},
    {MIGRATE_SUBJECT_HOST, 0, 0, 0, "yes",
     "guests can be moved to and from this host"},
    {MIGRATE_SUBJECT_HOST, 1, 0, 0, "small",
     "guests can be moved to this host, but arrive with small pages"},
    {MIGRATE_SUBJECT_HOST, 0, 0, 1, "no",
     "guests cannot be moved to this host: 1 thing is missing"},
    {MIGRATE_SUBJECT_WAITING, 0, 0, 0, "yes", "this QEMU can take a guest"},
    {MIGRATE_SUBJECT_UNSEEN, 0, 0, 1, "unknown",
     "it is not known whether this guest can be moved: its RAM was not "
     "examined for that"},
    {MIGRATE_SUBJECT_UNSEEN, 0, 0, 2, "no",
     "this guest cannot be moved: 2 things are missing"},
    {MIGRATE_SUBJECT_DEFINITION, 0, 0, 0, "yes",
     "this domain can be moved when it has been started"},
};

static GPtrArray *
make(const Case *c)
{
    GPtrArray *all = migrate_findings_new();
    migrate_findings_add(all, MIGRATE_CHECK_OK, NULL, "it is");
    for (unsigned i = 0; i < c->small; i++) {
        migrate_findings_add(all, MIGRATE_CHECK_WARNING, "align", "unaligned");
        migrate_findings_mark_small(all);
    }
    for (unsigned i = 0; i < c->warnings; i++) {
        migrate_findings_add(all, MIGRATE_CHECK_WARNING, "mend", "odd");
    }
    for (unsigned i = 0; i < c->missing; i++) {
        migrate_findings_add(all, MIGRATE_CHECK_MISSING, "get one", "none");
    }
    return all;
}

static void
test_case(gconstpointer data)
{
    const Case *c = data;
    const MigrateChecked checked = {.subject = c->subject};
    g_autoptr(GPtrArray) all = make(c);
    g_autofree char *words = migrate_verdict_words(&checked, all);
    g_assert_cmpstr(words, ==, c->words);
    g_assert_cmpstr(migrate_verdict_name(migrate_verdict(&checked, all)), ==,
                    c->name);
}

static JsonNode *
json_of(const MigrateChecked *checked, const GPtrArray *all, const char *xml)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = migrate_verdict_to_json(checked, all, xml);
    JsonNode *node = json_from_string(text, &error);
    g_assert_no_error(error);
    return node;
}

static const char *
text(JsonObject *object, const char *name)
{
    return json_object_get_string_member(object, name);
}

static void
test_json(void)
{
    const MigrateChecked checked = {.subject = MIGRATE_SUBJECT_GUEST,
                                    .pid = 7,
                                    .name = (char *)"a\033\nb",
                                    .state = (char *)"running"};
    g_autoptr(GPtrArray) all = make(&cases[3]);
    g_autoptr(JsonNode) node = json_of(&checked, all, "<a>\n</a>\n");
    JsonObject *o = json_node_get_object(node);
    g_assert_cmpint(json_object_get_int_member(o, "schema"), ==, 1);
    g_assert_cmpstr(text(o, "verdict"), ==, "no");
    g_assert_cmpstr(text(o, "subject"), ==, "guest");
    g_assert_cmpstr(text(o, "words"), ==, cases[3].words);
    g_assert_cmpstr(text(o, "xml"), ==, "<a>\n</a>\n");
    JsonObject *guest = json_object_get_object_member(o, "guest");
    g_assert_cmpint(json_object_get_int_member(guest, "pid"), ==, 7);
    g_assert_cmpstr(text(guest, "name"), ==, "a\033\nb");
    g_assert_cmpstr(text(guest, "uuid"), ==, "");
    JsonArray *findings = json_object_get_array_member(o, "findings");
    static const char *const levels[] = {"ok", "warning", "missing"};
    g_assert_cmpuint(json_array_get_length(findings), ==, 3);
    for (unsigned i = 0; i < 3; i++) {
        JsonObject *f = json_array_get_object_element(findings, i);
        g_assert_cmpstr(text(f, "level"), ==, levels[i]);
    }
    JsonObject *last = json_array_get_object_element(findings, 2);
    g_assert_cmpstr(text(last, "what"), ==, "none");
    g_assert_cmpstr(text(last, "remedy"), ==, "get one");
}

static void
test_json_of_a_host(void)
{
    const MigrateChecked checked = {0};
    g_autoptr(GPtrArray) all = make(&cases[0]);
    g_autoptr(JsonNode) node = json_of(&checked, all, NULL);
    JsonObject *o = json_node_get_object(node);
    g_assert_true(json_object_get_null_member(o, "guest"));
    g_assert_false(json_object_has_member(o, "xml"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/verdict/%zu", i);
        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/verdict/json", test_json);
    g_test_add_func("/verdict/json-of-a-host", test_json_of_a_host);
    return g_test_run();
}
