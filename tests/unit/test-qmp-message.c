/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * JSON to typed messages, and what is refused.
 */
#include "qmp/qmp-message.h"

#include <string.h>

#include "base/error.h"

static QmpMessage *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    QmpMessage *message = qmp_message_parse(text, strlen(text), &error);
    g_assert_no_error(error);
    g_assert_nonnull(message);
    return message;
}

static void
test_greeting(void)
{
    g_autoptr(QmpMessage) message = parse(
        "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 13, \"minor\": 0, "
        "\"major\": 10}, \"package\": \"x\"}, \"capabilities\": [\"oob\"]}}");
    g_assert_cmpint(message->kind, ==, QMP_MESSAGE_GREETING);
    g_assert_cmpint(message->major, ==, 10);
    g_assert_cmpint(message->minor, ==, 0);
    g_assert_cmpint(message->micro, ==, 13);
}

static void
test_return(void)
{
    g_autoptr(QmpMessage) message =
        parse("{\"return\": {\"name\": \"häkchen\", \"n\": 9223372036854775807,"
              " \"b\": true, \"l\": [1], \"z\": null}, \"id\": 7}");
    gint64 n = 0;
    bool b = false;
    g_assert_cmpint(message->kind, ==, QMP_MESSAGE_RETURN);
    g_assert_cmpint(message->id, ==, 7);
    g_assert_cmpstr(qmp_message_string(message->value, "name"), ==, "häkchen");
    g_assert_true(qmp_message_int(message->value, "n", &n));
    g_assert_cmpint(n, ==, G_MAXINT64);
    g_assert_true(qmp_message_bool(message->value, "b", &b) && b);
    g_assert_nonnull(qmp_message_array(message->value, "l"));
    /* Nothing is taken for what it is not. */
    g_assert_null(qmp_message_string(message->value, "n"));
    g_assert_null(qmp_message_string(message->value, "z"));
    g_assert_null(qmp_message_string(message->value, "none"));
    g_assert_null(qmp_message_string(message->value, NULL));
    g_assert_false(qmp_message_int(message->value, "name", &n));
    g_assert_false(qmp_message_bool(message->value, "n", &b));
    g_assert_null(qmp_message_array(message->value, "name"));
    g_assert_null(qmp_message_string(NULL, "x"));
}

static void
test_bare_return(void)
{
    g_autoptr(QmpMessage) text = parse("{\"return\": \"/dev/shm\", \"id\": 1}");
    g_assert_cmpstr(qmp_message_string(text->value, NULL), ==, "/dev/shm");
    g_assert_null(qmp_message_string(text->value, "member"));
    g_autoptr(QmpMessage) foreign = parse("{\"return\": {}, \"id\": \"x\"}");
    g_assert_cmpint(foreign->id, ==, 0);
}

static void
test_error(void)
{
    g_autoptr(QmpMessage) message =
        parse("{\"id\": 2, \"error\": {\"class\": \"GenericError\", "
              "\"desc\": \"No \\\"x\\\"\\u00e9\"}}");
    g_assert_cmpint(message->kind, ==, QMP_MESSAGE_ERROR);
    g_assert_cmpint(message->id, ==, 2);
    g_assert_cmpstr(message->error_class, ==, "GenericError");
    g_assert_cmpstr(message->error_desc, ==, "No \"x\"é");
}

static void
test_event(void)
{
    g_autoptr(QmpMessage) migration =
        parse("{\"timestamp\": {\"seconds\": 1795232267, \"microseconds\": "
              "479921}, \"event\": \"MIGRATION\", \"data\": {\"status\": "
              "\"pre-switchover\"}}");
    g_assert_cmpint(migration->kind, ==, QMP_MESSAGE_EVENT);
    g_assert_cmpstr(migration->event->name, ==, "MIGRATION");
    g_assert_cmpstr(migration->event->status, ==, "pre-switchover");
    g_assert_cmpint(migration->event->time_us, ==, 1795232267479921);
    g_autoptr(QmpMessage) stop =
        parse("{\"timestamp\": {\"seconds\": -1, \"microseconds\": -1}, "
              "\"event\": \"STOP\"}");
    g_assert_cmpstr(stop->event->name, ==, "STOP");
    g_assert_null(stop->event->reason);
    g_assert_false(stop->event->guest);
    g_assert_null(stop->event->status);
    g_assert_cmpint(stop->event->time_us, ==, 0);
    g_autoptr(QmpMessage) shutdown =
        parse("{\"event\": \"SHUTDOWN\", \"data\": {\"guest\": true, "
              "\"reason\": \"guest-shutdown\"}}");
    g_assert_cmpstr(shutdown->event->reason, ==, "guest-shutdown");
    g_assert_true(shutdown->event->guest);
}

static void
test_refused(void)
{
    static const struct {
        const char *text;
        const char *why;
    } bad[] = {
        {"{", "not JSON"},
        {"{\"return\": }", "not JSON"},
        {"{}", "neither greeting, reply nor event"},
        {"{\"event\": 1}", "event has no name"},
        {"{\"error\": {\"class\": \"GenericError\"}, \"id\": 1}", "no text"},
        {"{\"error\": 1, \"id\": 1}", "no class"},
        {"{\"QMP\": {}}", "names no version"},
        {"{\"QMP\": {\"version\": {\"qemu\": {\"major\": -1}}}}", "no version"},
        {"{\"return\": \"\xff\xfe\"}", "not UTF-8"},
        {"", "message is empty"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(
            qmp_message_parse(bad[i].text, strlen(bad[i].text), &error));
        g_assert_true(error_is(error, ERROR_PROTOCOL));
        g_assert_nonnull(strstr(error->message, bad[i].why));
    }
}

static void
test_command(void)
{
    g_autofree char *bare = qmp_message_command("stop", 3, NULL);
    g_assert_cmpstr(bare, ==, "{\"execute\":\"stop\",\"id\":3}\n");
    g_autoptr(JsonNode) arguments =
        qmp_message_arguments("path", "/a\"b\n", "property", "p", NULL);
    g_autofree char *full = qmp_message_command("qom-get", 4, arguments);
    g_assert_cmpstr(full, ==,
                    "{\"execute\":\"qom-get\",\"id\":4,\"arguments\":{"
                    "\"path\":\"/a\\\"b\\n\",\"property\":\"p\"}}\n");
    g_autoptr(JsonNode) number = qmp_message_int_argument("x", -5);
    g_autofree char *with_int = qmp_message_command("s", 5, number);
    g_assert_nonnull(strstr(with_int, "{\"x\":-5}"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/message/greeting", test_greeting);
    g_test_add_func("/qmp/message/return", test_return);
    g_test_add_func("/qmp/message/bare-return", test_bare_return);
    g_test_add_func("/qmp/message/error", test_error);
    g_test_add_func("/qmp/message/event", test_event);
    g_test_add_func("/qmp/message/refused", test_refused);
    g_test_add_func("/qmp/message/command", test_command);
    return g_test_run();
}
