/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Running postlude: arguments, output, report.
 */
#include "tests/support/vm-tool.h"

#include <string.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/fd.h"

struct VmTool {
    VmChild *child;
    char *name; /* "postlude send" */
    char *directory;
    char *out, *err, *report;
};

const char *
vm_tool_path(void)
{
    const char *path = g_getenv("POSTLUDE");
#ifdef VM_TOOL_PATH
    path = path ? path : VM_TOOL_PATH;
#endif
    return path ? path : "postlude";
}

static VmTool *
make(const char *name, GError **error)
{
    g_autoptr(VmTool) tool = g_new0(VmTool, 1);
    vm_child_adopt_orphans(); /* a sender's keeper of memory */
    tool->name = g_strdup(name);
    tool->directory = vm_child_make_directory("postlude-tool", error);
    if (!tool->directory) {
        return NULL;
    }
    tool->out = g_build_filename(tool->directory, "stdout", NULL);
    tool->err = g_build_filename(tool->directory, "stderr", NULL);
    tool->report = g_build_filename(tool->directory, "report.json", NULL);
    return g_steal_pointer(&tool);
}

static bool
run(VmTool *tool, const char *const *argv, GError **error)
{
    VmChildOptions options = {.argv = argv,
                              .stdout_path = tool->out,
                              .stderr_path = tool->err};
    tool->child = vm_child_start(&options, error);
    return tool->child != NULL;
}

VmTool *
vm_tool_start_program(const char *name, const char *const *argv,
                      GError **error)
{
    g_autoptr(VmTool) tool = make(name, error);
    return tool && run(tool, argv, error) ? g_steal_pointer(&tool) : NULL;
}

VmTool *
vm_tool_start(const char *verb, const char *const *args, bool report,
              GError **error)
{
    g_autofree char *name = g_strdup_printf("postlude %s", verb);
    g_autoptr(VmTool) tool = make(name, error);
    if (!tool) {
        return NULL;
    }
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_ptr_array_add(argv, (char *)vm_tool_path());
    g_ptr_array_add(argv, (char *)verb);
    for (; args && *args; args++) {
        g_ptr_array_add(argv, (char *)*args);
    }
    if (report) {
        g_ptr_array_add(argv, (char *)"--report");
        g_ptr_array_add(argv, tool->report);
    }
    g_ptr_array_add(argv, NULL);
    return run(tool, (const char *const *)argv->pdata, error)
               ? g_steal_pointer(&tool)
               : NULL;
}

void
vm_tool_free(VmTool *tool)
{
    if (!tool) {
        return;
    }
    vm_child_free(tool->child);
    if (tool->directory) {
        vm_child_remove_directory(tool->directory);
    }
    g_free(tool->name);
    g_free(tool->directory);
    g_free(tool->out);
    g_free(tool->err);
    g_free(tool->report);
    g_free(tool);
}

VmChild *
vm_tool_child(VmTool *tool)
{
    return tool->child;
}

static char *
read_text(const char *path)
{
    char *text = NULL;
    return g_file_get_contents(path, &text, NULL, NULL) ? text : g_strdup("");
}

char *
vm_tool_stderr(VmTool *tool)
{
    return read_text(tool->err);
}

char *
vm_tool_stdout(VmTool *tool)
{
    return read_text(tool->out);
}

bool
vm_tool_wait(VmTool *tool, int timeout_ms, int *code, GError **error)
{
    int status = 0;
    if (!vm_child_wait(tool->child, timeout_ms, &status)) {
        g_autofree char *text = vm_tool_stderr(tool);
        return error_set(error, ERROR_RETRY,
                         "%s did not end within %d ms; it said: %s",
                         tool->name, timeout_ms, text);
    }
    if (!WIFEXITED(status)) {
        g_autofree char *text = vm_tool_stderr(tool);
        return error_set(error, ERROR_FAILED,
                         "%s was ended by signal %d; it said: %s",
                         tool->name, WTERMSIG(status), text);
    }
    *code = WEXITSTATUS(status);
    return true;
}

bool
vm_tool_wait_stderr(VmTool *tool, const char *text, int timeout_ms,
                    GError **error)
{
    uint64_t deadline = fd_deadline_ns(timeout_ms);
    for (;;) {
        bool ended = vm_child_has_ended(tool->child, NULL);
        g_autofree char *said = vm_tool_stderr(tool);
        if (strstr(said, text)) {
            return true;
        }
        if (ended || fd_now_ns() > deadline) {
            return error_set(error, ended ? ERROR_FAILED : ERROR_RETRY,
                             "%s %s without saying \"%s\"; it said: "
                             "%s", tool->name, ended ? "ended" : "still runs",
                             text, said);
        }
        g_usleep(300); /* tests kill at what it says: be quick */
    }
}

JsonNode *
vm_tool_report(VmTool *tool, GError **error)
{
    g_autofree char *text = NULL;
    if (!g_file_get_contents(tool->report, &text, NULL, error)) {
        g_prefix_error(error, "%s left no report: ", tool->name);
        return NULL;
    }
    g_autoptr(JsonNode) node = json_from_string(text, error);
    if (!node || !JSON_NODE_HOLDS_OBJECT(node)) {
        g_prefix_error(error, "%s: the report is not a JSON object: ",
                       tool->name);
        if (error && !*error) {
            error_set(error, ERROR_PROTOCOL, "%s", text);
        }
        return NULL;
    }
    return g_steal_pointer(&node);
}

bool
vm_tool_number(JsonNode *report, const char *path, double *value,
               GError **error)
{
    g_autoptr(JsonNode) found = json_path_query(path, report, error);
    if (!found) {
        return false;
    }
    JsonArray *matches = json_node_get_array(found);
    if (json_array_get_length(matches) != 1 ||
        !JSON_NODE_HOLDS_VALUE(json_array_get_element(matches, 0))) {
        return error_set(error, ERROR_PROTOCOL,
                         "the report has %u values at %s, not one",
                         json_array_get_length(matches), path);
    }
    *value = json_array_get_double_element(matches, 0);
    return true;
}
