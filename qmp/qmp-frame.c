/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Finding message ends by brackets: see qmp-frame.h.
 */
#include "qmp/qmp-frame.h"

#include <string.h>

#include "base/error.h"

#define EXCERPT_BYTES 40

void
qmp_frame_init(QmpFrame *frame)
{
    *frame = (QmpFrame){.bytes = g_byte_array_new()};
}

void
qmp_frame_clear(QmpFrame *frame)
{
    g_clear_pointer(&frame->bytes, g_byte_array_unref);
    *frame = (QmpFrame){0};
}

void
qmp_frame_append(QmpFrame *frame, const void *data, gsize bytes)
{
    g_byte_array_append(frame->bytes, data, (guint)bytes);
}

static bool
is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* What JSON has outside strings. Refusing the rest here, above all quotes and
 * comment signs that json-glib would take, keeps the two readings of where a
 * string begins the same, and with it the limit on the depth. */
static bool
is_structure(char c)
{
    return c != '\0' && (g_ascii_isalnum(c) || strchr("+-.,:", c) != NULL);
}

/* Follows one byte. False if it cannot be part of a message. */
static bool
frame_step(QmpFrame *frame, char c)
{
    if (frame->in_string) {
        if (frame->escaped) {
            frame->escaped = false;
        } else if (c == '\\') {
            frame->escaped = true;
        } else if (c == '"') {
            frame->in_string = false;
        }
        return true;
    }
    if (c == '{' || (c == '[' && frame->depth > 0)) {
        return ++frame->depth <= QMP_FRAME_MAX_DEPTH;
    }
    if (frame->depth == 0) {
        return is_space(c);
    }
    if (c == '}' || c == ']') {
        frame->depth--;
        return true;
    }
    frame->in_string = c == '"';
    return frame->in_string || is_space(c) || is_structure(c);
}

static bool
frame_garbage(const QmpFrame *frame, gsize at, GError **error)
{
    gsize from = at > EXCERPT_BYTES / 2 ? at - EXCERPT_BYTES / 2 : 0;
    gsize bytes = MIN(frame->bytes->len - from, EXCERPT_BYTES);
    g_autofree char *raw =
        g_strndup((const char *)frame->bytes->data + from, bytes);
    g_autofree char *shown = g_strescape(raw, NULL);
    return error_set(error, ERROR_PROTOCOL,
                     "this is not QMP: \"%s\" (is it the human monitor, or "
                     "another program's socket? give QEMU's -qmp socket)",
                     shown);
}

static void
drop_front(QmpFrame *frame, gsize bytes)
{
    if (bytes > 0) {
        g_byte_array_remove_range(frame->bytes, 0, (guint)bytes);
    }
    frame->scanned = 0;
}

/* All of it, also behind a NUL, which whoever parses it has to see. */
static char *
frame_copy(const QmpFrame *frame, gsize start, gsize bytes)
{
    char *text = g_malloc(bytes + 1);
    memcpy(text, frame->bytes->data + start, bytes);
    text[bytes] = '\0';
    return text;
}

bool
qmp_frame_next(QmpFrame *frame, char **text, gsize *bytes, GError **error)
{
    gsize start = 0; /* of the message: what is before it is white space */
    *text = NULL;
    *bytes = 0;
    for (gsize at = frame->scanned; at < frame->bytes->len; at++) {
        bool outside = frame->depth == 0;
        if (!frame_step(frame, (char)frame->bytes->data[at])) {
            return frame_garbage(frame, at, error);
        }
        if (outside && frame->depth > 0) {
            start = at;
        } else if (!outside && frame->depth == 0) {
            *bytes = at + 1 - start;
            *text = frame_copy(frame, start, *bytes);
            drop_front(frame, at + 1);
            return true;
        }
    }
    drop_front(frame, frame->depth > 0 ? start : frame->bytes->len);
    frame->scanned = frame->bytes->len;
    if (frame->bytes->len > QMP_FRAME_MAX_BYTES) {
        return error_set(error, ERROR_PROTOCOL,
                         "a message of more than %zu MiB is not QMP",
                         QMP_FRAME_MAX_BYTES >> 20);
    }
    return true;
}
