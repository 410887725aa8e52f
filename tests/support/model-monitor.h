/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The monitors of a model of QEMU: UNIX sockets, each with one client at a
 * time, as QEMU has it. The first belongs to the tool under test, the second to
 * another of its commands, the third, the hand, to the test. What is heard on
 * the first two can be held up (ModelHold): the hand is told by the event
 * MODEL_AT, and says when it may go on. Main thread.
 */
#pragma once

#include <json-glib/json-glib.h>
#include <stdbool.h>

#define MODEL_MONITORS 3
#define MODEL_HAND 2

/* What a command led to; one of the two is set, both owned. */
typedef struct {
    char *value; /* JSON */
    char *error; /* QEMU's words */
    bool unknown; /* CommandNotFound */
} ModelReply;

/* Carries out what monitor FROM says. *FD is a descriptor that came with it, or
 * -1; who wants it takes it (fd_steal). */
typedef ModelReply (*ModelExecute)(void *data, unsigned from,
                                   const char *command, JsonObject *arguments,
                                   int *fd);

typedef enum { MODEL_BEFORE, MODEL_AFTER } ModelWhen;

typedef struct ModelMonitors ModelMonitors;

/* PATH, PATH2 and PATH.hand; VERSION is 7, 8 or 10. */
ModelMonitors *model_monitors_open(const char *path, unsigned version,
                                   ModelExecute execute, void *data);

/* Serves them until something was heard or TIMEOUT_MS has passed, and returns
 * when EXTRA (-1: none) is readable as well. */
void model_monitors_serve(ModelMonitors *monitors, int extra, int timeout_ms);

/* To every client: DATA is JSON or NULL. */
void model_monitors_event(ModelMonitors *monitors, const char *name,
                          const char *data);

/* Tells the hand alone: MODEL_AT with data.status WHAT. */
void model_monitors_tell_hand(ModelMonitors *monitors, const char *what);

/* Holds up the next command whose line contains TEXT, after SKIP others. */
void model_monitors_hold(ModelMonitors *monitors, const char *text,
                         ModelWhen when, unsigned skip);
void model_monitors_go(ModelMonitors *monitors);
