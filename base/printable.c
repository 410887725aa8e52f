/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Text that does nothing but be read: see printable.h.
 */
#include "base/printable.h"

#include <glib.h>
#include <stdbool.h>

typedef enum { LINE, TEXT, JSON } Kind;

/* Controls (C0, DEL, C1), what is invisible or turns the direction (bidi marks,
 * overrides and isolates are of the type "format"), and what ends a line. */
static bool
is_harmless(gunichar c)
{
    switch (g_unichar_type(c)) {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT:
    case G_UNICODE_SURROGATE:
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
        return false;
    default:
        return true;
    }
}

static void
append_json(GString *out, gunichar c)
{
    if (c < 0x10000) {
        g_string_append_printf(out, "\\u%04x", c);
    } else {
        c -= 0x10000;
        g_string_append_printf(out, "\\u%04x\\u%04x", 0xd800 + (c >> 10),
                               0xdc00 + (c & 0x3ff));
    }
}

static void
append_escape(GString *out, gunichar c)
{
    const char *named = c == '\n' ? "\\n" : c == '\r' ? "\\r"
                      : c == '\t' ? "\\t" : NULL;
    if (named) {
        g_string_append(out, named);
    } else {
        g_string_append_printf(out, c < 0x80      ? "\\x%02x"
                                    : c < 0x10000 ? "\\u%04x"
                                                  : "\\U%08x", c);
    }
}

static void
printable_append(GString *out, gunichar c, Kind kind)
{
    if (is_harmless(c) || (c == '\n' && kind != LINE)) {
        g_string_append_unichar(out, c);
    } else if (kind == JSON) {
        append_json(out, c);
    } else {
        append_escape(out, c);
    }
}

static char *
printable_make(const char *text, Kind kind)
{
    GString *out = g_string_new(NULL);
    while (text && *text) {
        gunichar c = g_utf8_get_char_validated(text, -1);
        if (c == (gunichar)-1 || c == (gunichar)-2) {
            /* No UTF-8. JSON has no way to say a byte. */
            if (kind == JSON) {
                g_string_append_unichar(out, 0xfffd);
            } else {
                g_string_append_printf(out, "\\x%02x", (guchar)*text);
            }
            text++;
        } else {
            printable_append(out, c, kind);
            text = g_utf8_next_char(text);
        }
    }
    return g_string_free(out, false);
}

char *
printable_line(const char *text)
{
    return printable_make(text, LINE);
}

char *
printable_text(const char *text)
{
    return printable_make(text, TEXT);
}

char *
printable_json(const char *document)
{
    return printable_make(document, JSON);
}
