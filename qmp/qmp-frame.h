/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where one QMP message ends and the next begins, in a stream of bytes that
 * arrives in pieces. Messages are found by their braces, not by newlines: a
 * monitor with pretty=on spreads one message over many lines. Pure; fuzzed.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* The longest message we take. The longest true one is query-qmp-schema with
 * some 200 KB, so what goes beyond this is not QMP. */
#define QMP_FRAME_MAX_BYTES ((gsize)8 << 20)

/* How deep brackets may nest. json-glib's parser recurses, so this is what
 * keeps a hostile peer from running us out of stack. */
#define QMP_FRAME_MAX_DEPTH 64

typedef struct {
    GByteArray *bytes; /* received and not yet taken */
    gsize scanned;     /* how many of them were looked at */
    unsigned depth;    /* open brackets */
    bool in_string;
    bool escaped; /* the last byte was a backslash in a string */
} QmpFrame;

void qmp_frame_init(QmpFrame *frame);
void qmp_frame_clear(QmpFrame *frame);

void qmp_frame_append(QmpFrame *frame, const void *data, gsize bytes);

/* Takes the next complete message: *TEXT is owned by the caller and ends in a
 * NUL that is not counted in *BYTES; NULL if more has to arrive first. False
 * with PROTOCOL if this cannot be QMP; the frame is of no use after that. */
bool qmp_frame_next(QmpFrame *frame, char **text, gsize *bytes,
                    GError **error);
