/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One QMP message, cut out as the client does it (that is what bounds the
 * nesting), then parsed; and every careful look into what it returned.
 */
#include <string.h>

#include "qmp/qmp-frame.h"
#include "qmp/qmp-message.h"
#include "tests/fuzz/fuzz-check.h"

static void
look_everywhere(JsonNode *node)
{
    static const char *const members[] = {NULL, "status", "capability", "x"};
    for (unsigned i = 0; i < G_N_ELEMENTS(members); i++) {
        gint64 number = 4711;
        bool yes;
        const char *text = qmp_message_string(node, members[i]);
        bool is_int = qmp_message_int(node, members[i], &number);
        bool is_bool = qmp_message_bool(node, members[i], &yes);
        JsonArray *array = qmp_message_array(node, members[i]);
        g_assert_cmpint((text != NULL) + is_int + is_bool + (array != NULL),
                        <=, 1);
        g_assert_true(is_int || number == 4711);
    }
}

/* What we were given can be given on, and means the same then. */
static void
send_on(JsonNode *value)
{
    g_autofree char *line = qmp_message_command("x", 7, value);
    QmpFrame frame;
    char *text;
    gsize bytes;
    qmp_frame_init(&frame);
    qmp_frame_append(&frame, line, strlen(line));
    /* Our two levels of braces may be what is too much. */
    if (qmp_frame_next(&frame, &text, &bytes, NULL)) {
        g_assert_nonnull(text);
        g_assert_cmpuint(bytes, ==, strlen(line) - 1);
        g_free(text);
    }
    qmp_frame_clear(&frame);
}

static void
take(const QmpMessage *message)
{
    switch (message->kind) {
    case QMP_MESSAGE_GREETING:
        g_assert_true(message->major >= 0 && message->minor >= 0 &&
                      message->micro >= 0);
        break;
    case QMP_MESSAGE_EVENT:
        g_assert_nonnull(message->event->name);
        g_assert_cmpint(message->event->time_us, >=, 0);
        break;
    case QMP_MESSAGE_ERROR:
        g_assert_nonnull(message->error_class);
        g_assert_nonnull(message->error_desc);
        break;
    case QMP_MESSAGE_RETURN:
        g_assert_nonnull(message->value);
        look_everywhere(message->value);
        send_on(message->value);
        break;
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    QmpFrame frame;
    char *text = NULL;
    gsize bytes;
    qmp_frame_init(&frame);
    qmp_frame_append(&frame, data, size);
    while (qmp_frame_next(&frame, &text, &bytes, NULL) && text) {
        GError *error = NULL;
        g_autofree char *exact = g_memdup2(text, bytes + 1);
        g_free(text);
        g_autoptr(QmpMessage) message =
            qmp_message_parse(exact, bytes, &error);
        if (message) {
            take(message);
        }
        fuzz_end(message != NULL, error, FUZZ_MAY(ERROR_PROTOCOL));
    }
    qmp_frame_clear(&frame);
    return 0;
}
