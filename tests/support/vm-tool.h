/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The postlude program run by a test: a child with its stderr and its report
 * kept; or another program, kept likewise. Main thread only.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "tests/support/vm-child.h"

typedef struct VmTool VmTool;

/* The program under test: $POSTLUDE, or the one of this build. */
const char *vm_tool_path(void);

/* Runs "postlude VERB ARGS...", and "--report FILE" if REPORT. */
VmTool *vm_tool_start(const char *verb, const char *const *args, bool report,
                      GError **error);

/* Runs ARGV as it is; NAME is what messages call it. No report. */
VmTool *vm_tool_start_program(const char *name, const char *const *argv,
                              GError **error);

/* Kills it if it still runs. */
void vm_tool_free(VmTool *tool);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmTool, vm_tool_free)

VmChild *vm_tool_child(VmTool *tool);

/* Waits for the end: true if it exited, with *CODE (0 to 255). False on
 * time-out or if a signal ended it, with what it wrote in the message. */
bool vm_tool_wait(VmTool *tool, int timeout_ms, int *code, GError **error);

/* What it wrote so far; owned by the caller. */
char *vm_tool_stderr(VmTool *tool);
char *vm_tool_stdout(VmTool *tool);

/* Waits until its stderr contains TEXT; fails if it ends before. */
bool vm_tool_wait_stderr(VmTool *tool, const char *text, int timeout_ms,
                         GError **error);

/* The report it wrote: an object. NULL if there is none or it is no JSON. */
JsonNode *vm_tool_report(VmTool *tool, GError **error);

/* The number at PATH ("$.ram.pages", JSONPath) of a report. */
bool vm_tool_number(JsonNode *report, const char *path, double *value,
                    GError **error);
