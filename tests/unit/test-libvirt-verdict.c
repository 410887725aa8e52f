/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What is said of a domain, and the exit status, for each way in which
 * libvirt's call and the sender can end together. What is not known is not
 * said; where something is left to do, the words say what.
 */
#include "libvirt/libvirt-verdict.h"

#include <string.h>

#define DONE LIBVIRT_VERDICT_DONE
#define FAILED LIBVIRT_VERDICT_FAILED
#define GIVEN_UP LIBVIRT_VERDICT_GIVEN_UP
#define RESUME "'postlude send --resume --qmp /q'"

typedef struct {
    const char *name;
    LibvirtVerdict facts;
    int status;
    const char *says[3]; /* all of them */
    const char *not; /* said */
} Case;

static const Case cases[] = {
    {"/verdict/done",
     {.called = true, .sender_status = DONE, .armed = true,
      .past_no_return = true},
     DONE, {NULL}, NULL},
    {"/verdict/at-home",
     {.called = true, .failure = "no", .sender_status = FAILED,
      .sender_end = "cancelled", .reason = "first"},
     FAILED, {"not moved", "running on this host: first; libvirt: no"}, NULL},
    {"/verdict/at-home/libvirt-first",
     {.called = true, .failure = "no", .sender_status = FAILED,
      .sender_end = "cancelled", .reason = "no"},
     FAILED, {"running on this host: no"}, "libvirt: "},
    {"/verdict/never-called",
     {.sender_status = FAILED, .sender_end = "so", .reason = "so"},
     FAILED, {"not moved", "running on this host: so"}, "libvirt"},
    /* "completed" came, and then the destination was lost to libvirt. */
    {"/verdict/arrived-unheard",
     {.called = true, .failure = "lost", .sender_status = DONE, .armed = true,
      .past_no_return = true, .reason = "lost"},
     GIVEN_UP,
     {"all its memory", "libvirt does not say so: lost. It is running on this",
      "must not run here as well"},
     NULL},
    {"/verdict/memory-lost",
     {.called = true, .sender_status = GIVEN_UP, .sender_end = "its QEMU ended",
      .armed = true, .past_no_return = true, .reason = "its QEMU ended"},
     GIVEN_UP, {"not all of its memory: its QEMU ended"}, "itself"},
    /* It has gone over, and has ended there. */
    {"/verdict/shut-down-there",
     {.called = true, .sender_status = DONE, .sender_end = "it has shut down",
      .ended = "shut down", .armed = true, .past_no_return = true},
     DONE, {NULL}, NULL},
    {"/verdict/shut-down-there/libvirt-lost-it",
     {.called = true, .failure = "lost", .sender_status = DONE,
      .sender_end = "it has shut down", .ended = "shut down", .armed = true,
      .past_no_return = true, .reason = "lost"},
     GIVEN_UP, {"libvirt does not say so (lost); it has shut down",
                "do not start it here before"}, "must not run here as well"},
    {"/verdict/crashed-there",
     {.called = true, .sender_status = GIVEN_UP, .sender_end = "it crashed",
      .ended = "crashed", .armed = true, .past_no_return = true,
      .reason = "it crashed"},
     GIVEN_UP, {"has gone over to the destination; it crashed"},
     "not all of its memory"},
    {"/verdict/nobody-armed",
     {.called = true, .sender_status = FAILED, .sender_end = "too early",
      .reason = "too early"},
     GIVEN_UP, {"moved 'web1' itself, in its own way", "too early"}, NULL},
    {"/verdict/moved-unseen",
     {.called = true, .sender_status = FAILED, .sender_end = "so",
      .armed = true, .reason = "so"},
     GIVEN_UP, {"did not see it go: so", "not start it again"}, "itself"},
    {"/verdict/killed-before",
     {.called = true, .failure = "no", .sender_status = FAILED,
      .sender_end = "killed", .armed = true, .left_work = true,
      .reason = "killed"},
     FAILED, {"running on this host, but killed", RESUME, "x-ignore-shared"},
     "has gone over to"},
    {"/verdict/killed-after",
     {.called = true, .failure = "no", .sender_status = GIVEN_UP,
      .sender_end = "killed", .armed = true, .past_no_return = true,
      .left_work = true, .reason = "killed"},
     GIVEN_UP, {"has gone over", "kept on this host: killed", RESUME},
     "not moved"},
    /* Before it had heard "completed", but libvirt had. */
    {"/verdict/killed-between",
     {.called = true, .sender_status = FAILED, .sender_end = "killed",
      .armed = true, .left_work = true, .reason = "killed"},
     GIVEN_UP, {"has gone over", "waits there", RESUME}, "itself"},
};

static void
test_case(gconstpointer data)
{
    const Case *c = data;
    LibvirtVerdict facts = c->facts;
    g_autoptr(GError) error = NULL;
    facts.domain = "web1";
    facts.state = "running";
    facts.qmp_path = "/q";
    g_assert_cmpint(libvirt_verdict(&facts, &error), ==, c->status);
    g_assert_cmpint(error != NULL, ==, c->status != DONE);
    if (!error) {
        return;
    }
    g_test_message("%s", error->message);
    g_assert_nonnull(strstr(error->message, "'web1'"));
    g_assert_null(strstr(error->message, "(null)"));
    for (unsigned i = 0; i < G_N_ELEMENTS(c->says) && c->says[i]; i++) {
        g_assert_nonnull(strstr(error->message, c->says[i]));
    }
    g_assert_true(!c->not || !strstr(error->message, c->not));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_add_data_func(cases[i].name, &cases[i], test_case);
    }
    return g_test_run();
}
