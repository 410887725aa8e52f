/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where QMP messages end. The same bytes must give the same messages whether
 * they arrive at once, one by one, or in pieces; and every byte is either in a
 * message, white space between two, or still waiting.
 */
#include <json-glib/json-glib.h>
#include <string.h>

#include "qmp/qmp-frame.h"
#include "tests/fuzz/fuzz-check.h"

#define PROTOCOL FUZZ_MAY(ERROR_PROTOCOL)

/* Takes what is complete. False after garbage. */
static bool
take(QmpFrame *frame, GPtrArray *messages)
{
    for (;;) {
        char *text;
        gsize bytes;
        GError *error = NULL;
        bool ok = qmp_frame_next(frame, &text, &bytes, &error);
        fuzz_end(ok, error, PROTOCOL);
        if (!ok) {
            g_assert_null(text);
            return false;
        }
        if (!text) {
            return true;
        }
        g_assert_cmpuint(bytes, >=, 2);
        g_assert_cmpint(text[0], ==, '{');
        g_assert_true(text[bytes - 1] == '}' || text[bytes - 1] == ']');
        g_assert_cmpint(text[bytes], ==, '\0');
        g_ptr_array_add(messages, g_bytes_new_take(text, bytes));
    }
}

/* All of the input in pieces of STEP bytes. */
static GPtrArray *
cut(const uint8_t *data, size_t size, size_t step, bool *clean)
{
    GPtrArray *messages = g_ptr_array_new_with_free_func(
        (GDestroyNotify)g_bytes_unref);
    QmpFrame frame;
    qmp_frame_init(&frame);
    *clean = true;
    for (size_t at = 0; at < size && *clean; at += step) {
        size_t piece = MIN(step, size - at);
        g_autofree uint8_t *exact = g_memdup2(data + at, piece);
        qmp_frame_append(&frame, exact, piece);
        *clean = take(&frame, messages);
    }
    qmp_frame_clear(&frame);
    return messages;
}

static void
assert_in_order(const GPtrArray *messages, const uint8_t *data, size_t size)
{
    size_t at = 0;
    for (guint i = 0; i < messages->len; i++) {
        gsize bytes;
        const void *text =
            g_bytes_get_data(g_ptr_array_index(messages, i), &bytes);
        while (data[at] != '{') {
            g_assert_nonnull(memchr(" \t\r\n", data[at], 4));
            g_assert_cmpuint(++at, <, size);
        }
        g_assert_cmpuint(bytes, <=, size - at);
        g_assert_true(memcmp(data + at, text, bytes) == 0);
        at += bytes;
    }
}

#if defined(__SANITIZE_ADDRESS__)
#define HAVE_LSAN
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAVE_LSAN
#endif
#endif
#ifdef HAVE_LSAN
#include <sanitizer/lsan_interface.h>
#else
#define __lsan_disable()
#define __lsan_enable()
#endif

/* json-glib (1.6) forgets the first of several values in one text. */
static bool
parse(JsonParser *parser, const uint8_t *data, size_t size)
{
    __lsan_disable();
    bool ok = json_parser_load_from_data(parser, (const char *)data,
                                         (gssize)size, NULL);
    __lsan_enable();
    return ok;
}

/* Another reader's word for it: what it takes for objects has messages, or is
 * refused (comments and the like, which that reader takes). */
static void
assert_one_object(const GPtrArray *messages, bool clean, const uint8_t *data,
                  size_t size)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    if (!clean || size == 0 || memchr(data, 0, size) ||
        !g_utf8_validate((const char *)data, (gssize)size, NULL) ||
        !parse(parser, data, size)) {
        return;
    }
    JsonNode *root = json_parser_get_root(parser);
    g_assert_true(!root || !JSON_NODE_HOLDS_OBJECT(root) ||
                  messages->len >= 1);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t steps[] = {1, 7};
    bool clean, again;
    g_autoptr(GPtrArray) whole = cut(data, size, MAX(size, 1), &clean);
    assert_in_order(whole, data, size);
    assert_one_object(whole, clean, data, size);
    for (unsigned i = 0; i < G_N_ELEMENTS(steps); i++) {
        g_autoptr(GPtrArray) pieces = cut(data, size, steps[i], &again);
        g_assert_cmpint(clean, ==, again);
        g_assert_cmpuint(whole->len, ==, pieces->len);
        for (guint n = 0; n < whole->len; n++) {
            g_assert_true(g_bytes_equal(g_ptr_array_index(whole, n),
                                        g_ptr_array_index(pieces, n)));
        }
    }
    return 0;
}
