/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Cutting messages out of a stream that arrives in any pieces.
 */
#include "qmp/qmp-frame.h"

#include <string.h>

#include "base/error.h"

static void
append(QmpFrame *frame, const char *text)
{
    qmp_frame_append(frame, text, strlen(text));
}

static void
assert_next(QmpFrame *frame, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    gsize bytes;
    g_assert_true(qmp_frame_next(frame, &text, &bytes, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(text, ==, expected);
    g_assert_cmpuint(bytes, ==, expected ? strlen(expected) : 0);
}

static void
test_messages_come_whole_however_the_stream_is_cut(void)
{
    static const char a[] = "{\"a\": \"}{ \\\" ] é\", \"b\": [{}, [1]]}";
    static const char b[] = "{\r\n    \"pretty\": {\r\n    }\r\n}";
    g_autofree char *stream = g_strconcat("\r\n", a, "\r\n", b, " ", a, NULL);
    gsize bytes = strlen(stream);
    for (gsize cut = 0; cut <= bytes; cut++) {
        QmpFrame frame;
        GString *all = g_string_new(NULL);
        qmp_frame_init(&frame);
        for (int half = 0; half < 2; half++) {
            qmp_frame_append(&frame, stream + (half ? cut : 0),
                             half ? bytes - cut : cut);
            for (;;) {
                g_autofree char *text = NULL;
                gsize n;
                g_assert_true(qmp_frame_next(&frame, &text, &n, NULL));
                if (!text) {
                    break;
                }
                g_string_append_printf(all, "%s|", text);
            }
        }
        g_autofree char *expected = g_strconcat(a, "|", b, "|", a, "|", NULL);
        g_assert_cmpstr(all->str, ==, expected);
        g_string_free(all, true);
        qmp_frame_clear(&frame);
    }
}

static void
test_byte_by_byte(void)
{
    static const char message[] = "{\"x\": \"\\\\\"}";
    QmpFrame frame;
    qmp_frame_init(&frame);
    for (gsize i = 0; i + 1 < strlen(message); i++) {
        qmp_frame_append(&frame, message + i, 1);
        assert_next(&frame, NULL);
    }
    append(&frame, "}");
    assert_next(&frame, message);
    assert_next(&frame, NULL);
    qmp_frame_clear(&frame);
}

static void
assert_refused(const char *bytes, gsize n, const char *expected)
{
    QmpFrame frame;
    g_autoptr(GError) error = NULL;
    char *text = NULL;
    gsize length;
    bool ok = true;
    qmp_frame_init(&frame);
    qmp_frame_append(&frame, bytes, n);
    do {
        g_free(text);
        ok = qmp_frame_next(&frame, &text, &length, &error);
    } while (ok && text);
    g_assert_false(ok);
    g_assert_true(error_is(error, ERROR_PROTOCOL));
    g_assert_nonnull(strstr(error->message, expected));
    qmp_frame_clear(&frame);
}

static void
test_what_is_not_qmp_is_refused(void)
{
    static const char *const bad[] = {
        "QEMU 7.2.22 monitor - type 'help' for more information\r\n(qemu) ",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "[1]",
        "\"text\"",
        "{} x",
        "{'single': 1}",
        "{/* a comment with a \" in it */}",
        "{# another\n}",
    };
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        assert_refused(bad[i], strlen(bad[i]), "this is not QMP: \"");
    }
    assert_refused("{\0}", 3, "this is not QMP");
    assert_refused("QEMU 7.2 monitor", 16, "QEMU 7.2 monitor");
}

/* JSON forbids it; but to refuse it one has to see it. */
static void
test_a_nul_hides_nothing(void)
{
    static const char message[] = "{\"a\": \"x\0y\"}";
    QmpFrame frame;
    g_autofree char *text = NULL;
    gsize bytes;
    qmp_frame_init(&frame);
    qmp_frame_append(&frame, message, sizeof message - 1);
    g_assert_true(qmp_frame_next(&frame, &text, &bytes, NULL));
    g_assert_cmpmem(text, bytes + 1, message, sizeof message);
    qmp_frame_clear(&frame);
}

static void
test_depth_is_bounded(void)
{
    g_autofree char *deep = g_strnfill(QMP_FRAME_MAX_DEPTH + 1, '[');
    deep[0] = '{';
    assert_refused(deep, strlen(deep), "this is not QMP");
    QmpFrame frame;
    qmp_frame_init(&frame);
    qmp_frame_append(&frame, deep, QMP_FRAME_MAX_DEPTH);
    assert_next(&frame, NULL);
    qmp_frame_clear(&frame);
}

static void
test_length_is_bounded(void)
{
    g_autofree char *much = g_strnfill(QMP_FRAME_MAX_BYTES + 1, 'x');
    memcpy(much, "{\"x\":\"", 6);
    assert_refused(much, QMP_FRAME_MAX_BYTES + 1, "more than 8 MiB");
    QmpFrame frame;
    qmp_frame_init(&frame);
    qmp_frame_append(&frame, much, QMP_FRAME_MAX_BYTES - 2);
    append(&frame, "\"}");
    g_autofree char *text = NULL;
    gsize bytes;
    g_assert_true(qmp_frame_next(&frame, &text, &bytes, NULL));
    g_assert_cmpuint(bytes, ==, QMP_FRAME_MAX_BYTES);
    qmp_frame_clear(&frame);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/qmp/frame/whole-however-cut",
                    test_messages_come_whole_however_the_stream_is_cut);
    g_test_add_func("/qmp/frame/byte-by-byte", test_byte_by_byte);
    g_test_add_func("/qmp/frame/not-qmp", test_what_is_not_qmp_is_refused);
    g_test_add_func("/qmp/frame/nul", test_a_nul_hides_nothing);
    g_test_add_func("/qmp/frame/depth", test_depth_is_bounded);
    g_test_add_func("/qmp/frame/length", test_length_is_bounded);
    return g_test_run();
}
