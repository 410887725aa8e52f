/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Claims about pairs and tools: see vm-expect.h.
 */
#include "tests/support/vm-expect.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "qmp/qmp-qemu.h"
#include "tests/support/vm-linux.h"

#define FILL_MS 120000
#define MOVE_MS 60000
#define SCAN_MS 300000
#define BEAT_MS 60000
#define TICKS_MS 120000

VmQemuOptions
vm_expect_options(unsigned mib)
{
    return (VmQemuOptions){
        .memory = {{.kind = VM_MEMORY_FILE, .mib = mib}},
        .append = "mib=16 scan=1 stride=16 report=50 zero=10",
    };
}

VmPair *
vm_expect_pair_of(const VmQemuOptions *source,
                  const VmQemuOptions *destination)
{
    g_autoptr(GError) error = NULL;
    VmPair *pair = vm_pair_start_two(source, destination, FILL_MS, &error);
    g_assert_no_error(error);
    return pair;
}

VmPair *
vm_expect_pair(unsigned mib)
{
    VmQemuOptions options = vm_expect_options(mib);
    if (vm_qemu_skip(vm_qemu_why_not(VM_QEMU_HOST, false))) {
        return NULL;
    }
    return vm_expect_pair_of(&options, &options);
}

VmTool *
vm_expect_send(VmPair *pair, const char *const *extra)
{
    g_autoptr(GError) error = NULL;
    VmTool *tool = vm_pair_send(pair, extra, &error);
    g_assert_no_error(error);
    return tool;
}

VmTool *
vm_expect_receive(VmPair *pair, const char *const *extra)
{
    g_autoptr(GError) error = NULL;
    VmTool *tool = vm_pair_receive(pair, extra, &error);
    g_assert_no_error(error);
    return tool;
}

static void
assert_says(const char *said, const char *text)
{
    if (!strstr(said, text)) {
        g_error("expected \"%s\", but it said: %s", text, said);
    }
}

void
vm_expect_end(VmTool *tool, int timeout_ms, int code, const char *text)
{
    g_autoptr(GError) error = NULL;
    int got = -1;
    vm_tool_wait(tool, timeout_ms, &got, &error);
    g_assert_no_error(error);
    g_autofree char *said = vm_tool_stderr(tool);
    if (got != code) {
        g_error("expected exit status %d, not %d; it said: %s", code, got,
                said);
    }
    assert_says(said, text);
}

bool
vm_expect_end_unless(VmTool *tool, int timeout_ms, int code, const char *text,
                     const char *late)
{
    uint64_t deadline = fd_deadline_ns(timeout_ms);
    for (;;) {
        bool ended = vm_child_has_ended(vm_tool_child(tool), NULL);
        g_autofree char *said = vm_tool_stderr(tool);
        if (strstr(said, late)) {
            return false;
        }
        if (ended || fd_now_ns() > deadline) {
            vm_expect_end(tool, 0, code, text);
            return true;
        }
        g_usleep(5000);
    }
}

void
vm_expect_refusal(const char *verb, const char *const *args, int code,
                  const char *text)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmTool) tool = vm_tool_start(verb, args, false, &error);
    g_assert_no_error(error);
    vm_expect_end(tool, 60000, code, text);
}

void
vm_expect_refused(VmQemu *vm, const char *verb, const char *reason,
                  const char *remedy)
{
    bool send = g_str_equal(verb, "send");
    const char *args[] = {"--qmp", vm_qemu_tool_socket(vm),
                          send ? "--listen" : "--connect", "127.0.0.1:9",
                          NULL};
    vm_expect_refusal(verb, args, 1, reason);
    vm_expect_refusal(verb, args, 1, remedy);
}

void
vm_expect_check_refuses(VmQemu *vm, const char *reason, const char *remedy)
{
    g_autoptr(GError) error = NULL;
    const char *args[] = {"--qmp", vm_qemu_tool_socket(vm), NULL};
    g_autoptr(VmTool) tool = vm_tool_start("check", args, false, &error);
    g_assert_no_error(error);
    vm_expect_end(tool, 60000, 1, "");
    g_autofree char *said = vm_tool_stdout(tool);
    if (!strstr(said, "MISSING ") || !strstr(said, reason) ||
        !strstr(said, remedy)) {
        g_error("check does not say \"%s\" and \"%s\": %s", reason, remedy,
                said);
    }
}

void
vm_expect_state(VmQemu *vm, const char *state)
{
    g_autoptr(GError) error = NULL;
    vm_qemu_wait_state(vm, state, 60000, &error);
    g_assert_no_error(error);
}

void
vm_expect_says(VmTool *tool, const char *text)
{
    g_autoptr(GError) error = NULL;
    vm_tool_wait_stderr(tool, text, 60000, &error);
    g_assert_no_error(error);
}

void
vm_expect_said(VmTool *tool, const char *text, unsigned n)
{
    g_autofree char *said = vm_tool_stderr(tool);
    unsigned times = 0;
    for (const char *at = said; (at = strstr(at, text)); at++) {
        times++;
    }
    if (times > n) {
        g_error("it said \"%s\" %u times: %s", text, times, said);
    }
}

static uint64_t
last_beat(VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    const char *paths[] = {vm_qemu_serial_path(vm), NULL};
    g_autoptr(WitnessLog) log = witness_log_read(paths, &error);
    g_assert_no_error(error);
    const WitnessBeat *last = witness_log_last(log);
    if (log->wrong->len > 0) {
        g_error("%s", (const char *)g_ptr_array_index(log->wrong, 0));
    }
    g_assert_cmpuint(last ? last->wrong : 0, ==, 0);
    return last ? last->line : 0;
}

void
vm_expect_beats(VmQemu *vm)
{
    uint64_t first = last_beat(vm);
    uint64_t deadline = fd_deadline_ns(BEAT_MS);
    while (last_beat(vm) < first + 5) {
        if (fd_now_ns() > deadline ||
            vm_child_has_ended(vm_qemu_child(vm), NULL)) {
            g_error("the witness does not beat: line %" G_GUINT64_FORMAT,
                    first);
        }
        g_usleep(20000);
    }
}

static void
expect_clean(VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    vm_look_is_released(vm, &error);
    g_assert_no_error(error);
    vm_look_is_only_mapper(vm, &error);
    g_assert_no_error(error);
    vm_look_is_capability_off(vm, "x-ignore-shared", &error);
    g_assert_no_error(error);
}

void
vm_expect_runs(VmQemu *vm)
{
    vm_expect_state(vm, "running");
    vm_expect_beats(vm);
    expect_clean(vm);
}

void
vm_expect_at_home(VmPair *pair)
{
    vm_expect_runs(pair->source);
}

void
vm_expect_waiting(VmPair *pair)
{
    vm_expect_state(pair->destination, "inmigrate");
    expect_clean(pair->destination);
}

void
vm_expect_arrived(VmPair *pair)
{
    g_autoptr(GError) error = NULL;
    vm_pair_wait_scans(pair, 2, SCAN_MS, &error);
    g_assert_no_error(error);
    vm_pair_check_left_clean(pair, &error);
    g_assert_no_error(error);
}

void
vm_expect_moves(VmPair *pair)
{
    g_autoptr(GError) error = NULL;
    vm_pair_migrate(pair, MOVE_MS, NULL, NULL, &error);
    g_assert_no_error(error);
    vm_expect_arrived(pair);
}

void
vm_expect_arrives(VmPair *pair, VmTool *send, VmTool *receive)
{
    vm_expect_end(receive, MOVE_MS, 0, "");
    vm_expect_end(send, MOVE_MS, 0, "");
    vm_expect_arrived(pair);
}

double
vm_expect_number(JsonNode *report, const char *path)
{
    g_autoptr(GError) error = NULL;
    double value = 0;
    vm_tool_number(report, path, &value, &error);
    g_assert_no_error(error);
    return value;
}

VmTool *
vm_expect_take_over(VmTool *tool, const char *verb, VmQemu *vm,
                    const char *const *extra)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) args = g_ptr_array_new();
    int status = 0;
    vm_child_kill(vm_tool_child(tool), SIGKILL);
    vm_child_wait(vm_tool_child(tool), 60000, &status);
    g_assert_true(WIFSIGNALED(status));
    g_ptr_array_add(args, (char *)"--resume");
    g_ptr_array_add(args, (char *)"--qmp");
    g_ptr_array_add(args, (char *)vm_qemu_tool_socket(vm));
    for (; extra && *extra; extra++) {
        g_ptr_array_add(args, (char *)*extra);
    }
    g_ptr_array_add(args, NULL);
    VmTool *heir = vm_tool_start(verb, (const char *const *)args->pdata, true,
                                 &error);
    g_assert_no_error(error);
    return heir;
}

/* TOOL's line in "postlude status", or NULL. */
static char *
status_line(VmTool *tool)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmTool) status = vm_tool_start("status", NULL, false, &error);
    g_assert_no_error(error);
    vm_expect_end(status, 60000, 0, "");
    g_autofree char *said = vm_tool_stdout(status);
    g_autofree char *pid =
        g_strdup_printf("pid %d ", vm_child_pid(vm_tool_child(tool)));
    const char *line = strstr(said, pid);
    return line ? g_strndup(line, strcspn(line, "\n")) : NULL;
}

void
vm_expect_status(VmTool *tool, const char *text)
{
    g_autofree char *line = status_line(tool);
    /* One that has to wait for a CPU too long is left out. */
    for (int i = 1; i < VM_EXPECT_STATUS_TRIES && !line; i++) {
        line = status_line(tool);
    }
    if (!line || !strstr(line, text)) {
        g_autofree char *said = vm_tool_stderr(tool);
        g_error("status does not say \"%s\": %s; it said itself: %s", text,
                line ? line : "nothing of it", said);
    }
}

static VmQemu *
start_programs(unsigned mib, const char *directory, const char *init,
               const char *const *programs)
{
    g_autoptr(GError) error = NULL;
    VmQemuOptions options = {.memory = {{.kind = VM_MEMORY_RAM, .mib = mib}}};
    vm_linux_set(&options, 0);
    vm_linux_set_programs(&options, directory, init, programs, &error);
    g_assert_no_error(error);
    VmQemu *vm = vm_qemu_start(&options, &error);
    g_assert_no_error(error);
    return vm;
}

char *
vm_expect_programs(unsigned mib, const char *init,
                   const char *const *programs, int timeout_ms)
{
    g_autoptr(GError) error = NULL;
    char *text = NULL;
    g_autofree char *directory =
        vm_child_make_directory("postlude-programs", &error);
    g_assert_no_error(error);
    {
        g_autoptr(VmQemu) vm = start_programs(mib, directory, init, programs);
        vm_qemu_wait_serial(vm, "\nstatus ", timeout_ms, &error);
        g_assert_no_error(error);
        text = vm_qemu_serial_text(vm);
        g_test_message("%s", text);
    }
    vm_child_remove_directory(directory);
    return text;
}

static void
wait_serial(VmQemu *vm, const char *text)
{
    g_autoptr(GError) error = NULL;
    vm_qemu_wait_serial(vm, text, TICKS_MS, &error);
    g_assert_no_error(error);
}

static int
ticks_of(VmQemu *vm)
{
    g_autofree char *text = vm_qemu_serial_text(vm);
    return vm_linux_ticks(text);
}

VmPair *
vm_expect_linux_pair(const VmQemuOptions *options, int timeout_ms)
{
    g_autoptr(GError) error = NULL;
    VmPair *pair = vm_pair_start_idle(options, options, &error);
    g_assert_no_error(error);
    vm_qemu_wait_serial(pair->source, "linux guest ready", timeout_ms, &error);
    g_assert_no_error(error);
    return pair;
}

void
vm_expect_ticks(VmQemu *vm, int more)
{
    /* Of a line that it began on another host only half is here. */
    wait_serial(vm, "tick ");
    int first = ticks_of(vm);
    g_assert_cmpint(first, >, 0);
    g_autofree char *wanted = g_strdup_printf("tick %d ok", first + more);
    wait_serial(vm, wanted);
    g_assert_cmpint(ticks_of(vm), >=, first + more);
}

bool
vm_expect_capability(VmQemu *vm, const char *name)
{
    g_autoptr(GError) error = NULL;
    bool on = false;
    qmp_qemu_get_capability(vm_qemu_monitor(vm), name, &on, &error);
    g_assert_no_error(error);
    return on;
}

bool
vm_expect_kill_at(VmTool *watched, const char *word, VmChild *victim,
                  int signal)
{
    vm_expect_says(watched, word);
    vm_child_kill(victim, signal);
    if (signal == SIGKILL) {
        vm_child_wait(victim, 60000, NULL);
    }
    g_autofree char *said = vm_tool_stderr(watched);
    return !strstr(said, "stage postcopy") && !strstr(said, "peer: RUN");
}

char *
vm_expect_journal(VmQemu *vm, const char *role)
{
    g_autofree char *prefix =
        g_strdup_printf("%s-%d-", role, (int)vm_qemu_pid(vm));
    g_autoptr(GDir) dir = g_dir_open("/run/postlude", 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        if (g_str_has_prefix(name, prefix) &&
            g_str_has_suffix(name, ".journal")) {
            return g_build_filename("/run/postlude", name, NULL);
        }
    }
    return NULL;
}
