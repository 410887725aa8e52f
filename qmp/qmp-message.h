/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One QMP message: JSON text in, a typed greeting, reply or event out; and
 * the careful look into a reply, which never trusts a member to be there or
 * to have the expected type. Pure; fuzzed.
 */
#pragma once

#include <json-glib/json-glib.h>
#include <stdbool.h>

#include "qmp/qmp-event.h"

typedef enum {
    QMP_MESSAGE_GREETING,
    QMP_MESSAGE_RETURN,
    QMP_MESSAGE_ERROR,
    QMP_MESSAGE_EVENT,
} QmpMessageKind;

typedef struct {
    QmpMessageKind kind;
    int major, minor, micro; /* GREETING */
    gint64 id;               /* RETURN, ERROR: 0 if it has no integer id */
    JsonNode *value;         /* RETURN */
    char *error_class;       /* ERROR: "GenericError", "CommandNotFound"... */
    char *error_desc;        /* ERROR: QEMU's own words */
    QmpEvent *event;         /* EVENT */
} QmpMessage;

/* One message (qmp_frame_next() has cut it out). NULL with PROTOCOL. */
QmpMessage *qmp_message_parse(const char *text, gsize bytes, GError **error);
void qmp_message_free(QmpMessage *message);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(QmpMessage, qmp_message_free)

/* The line that asks for COMMAND, with ID and ARGUMENTS (borrowed, may be
 * NULL) and a newline at the end; owned by the caller. */
char *qmp_message_command(const char *command, gint64 id,
                          JsonNode *arguments);

/* {NAME: VALUE, ...} of strings, for a command's arguments; end with NULL. */
JsonNode *qmp_message_arguments(const char *name, ...) G_GNUC_NULL_TERMINATED;
JsonNode *qmp_message_int_argument(const char *name, gint64 value);

/* What NODE holds, or, with MEMBER, what its member holds. NULL or false if
 * there is none or it is of another type. All borrowed. */
const char *qmp_message_string(JsonNode *node, const char *member);
bool qmp_message_int(JsonNode *node, const char *member, gint64 *value);
bool qmp_message_bool(JsonNode *node, const char *member, bool *value);
JsonArray *qmp_message_array(JsonNode *node, const char *member);
JsonNode *qmp_message_member(JsonNode *node, const char *member);
