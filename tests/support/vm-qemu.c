/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The life of a QEMU in a test: directory, child, monitor, serial line, end.
 */
#include "tests/support/vm-qemu.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/support/vm-qemu-args.h"

#define START_TIMEOUT_MS 60000
#define TAIL_BYTES 1500

struct VmQemu {
    VmQemuOptions options; /* the strings are the caller's: literals */
    VmChild *child;
    QmpClient *monitor;
    char *directory;
    char *tool_socket, *test_socket, *serial, *errors;
};

const char *
vm_qemu_witness(void)
{
    const char *path = g_getenv("POSTLUDE_WITNESS");
#ifdef VM_QEMU_WITNESS
    path = path ? path : VM_QEMU_WITNESS;
#endif
    return path;
}

char *
vm_qemu_why_not(VmQemuVersion version, bool kvm)
{
    if (version == VM_QEMU_HOST) {
        const char *name = g_getenv("POSTLUDE_QEMU");
        name = name ? name : "qemu-system-x86_64";
        g_autofree char *path = g_find_program_in_path(name);
        if (!path) {
            return g_strdup_printf("there is no %s (install qemu-system-x86)",
                                   name);
        }
    } else {
        g_autofree char *path = g_build_filename(
            vm_qemu_root10(), "usr/bin/qemu-system-x86_64", NULL);
        if (access(path, X_OK) < 0) {
            return g_strdup_printf("there is no %s (run "
                                   "tests/support/get-qemu10.sh)", path);
        }
    }
    if (kvm && access("/dev/kvm", R_OK | W_OK) < 0) {
        return g_strdup_printf("/dev/kvm cannot be used: %s",
                               g_strerror(errno));
    }
    const char *witness = vm_qemu_witness();
    if (!witness || access(witness, R_OK) < 0) {
        return g_strdup("the witness guest is not built (it needs an x86 gcc)");
    }
    return NULL;
}

bool
vm_qemu_skip(char *why)
{
    g_autofree char *reason = why;
    if (!reason) {
        return false;
    }
    if (g_strcmp0(g_getenv("TESTS_MUST_RUN"), "1") == 0) {
        g_test_fail_printf("TESTS_MUST_RUN=1, but %s", reason);
    } else {
        g_test_skip(reason);
    }
    return true;
}

static char *
read_text(const char *path)
{
    char *text = NULL;
    return g_file_get_contents(path, &text, NULL, NULL) ? text : g_strdup("");
}

static const char *
tail_of(const char *text)
{
    size_t bytes = strlen(text);
    return bytes > TAIL_BYTES ? text + bytes - TAIL_BYTES : text;
}

/* "QEMU ended with ...: its last words", or what it said so far. */
static char *
describe_end(VmQemu *vm)
{
    g_autofree char *errors = read_text(vm->errors);
    int status;
    if (!vm_child_has_ended(vm->child, &status)) {
        return g_strdup_printf("QEMU (pid %d) runs; its stderr: %s",
                               vm_child_pid(vm->child), tail_of(errors));
    }
    return g_strdup_printf("QEMU ended (%s %d); its stderr: %s",
                           WIFEXITED(status) ? "exit status" : "signal",
                           WIFEXITED(status) ? WEXITSTATUS(status)
                                             : WTERMSIG(status),
                           tail_of(errors));
}

/* The sockets are there before the machine is; the greeting comes only when
 * the main loop runs, so a connected monitor means a QEMU that is up. */
static bool
wait_for_monitor(VmQemu *vm, GError **error)
{
    uint64_t deadline = fd_deadline_ns(START_TIMEOUT_MS);
    for (;;) {
        g_autoptr(GError) why = NULL;
        if (access(vm->test_socket, F_OK) == 0) {
            vm->monitor = qmp_client_open(vm->test_socket, START_TIMEOUT_MS,
                                          &why);
        }
        if (vm->monitor) {
            return true;
        }
        bool ended = vm_child_has_ended(vm->child, NULL);
        if (ended || fd_now_ns() > deadline) {
            g_autofree char *end = describe_end(vm);
            return error_set(error, ended ? ERROR_VM_GONE : ERROR_RETRY,
                             "QEMU's monitor did not come up: %s%s%s", end,
                             why ? "; " : "", why ? why->message : "");
        }
        g_usleep(5000);
    }
}

static bool
make_directory(VmQemu *vm, GError **error)
{
    vm->directory = vm_child_make_directory("postlude-vm", error);
    if (!vm->directory) {
        return false;
    }
    vm->tool_socket = g_build_filename(vm->directory, VM_QEMU_TOOL_SOCKET,
                                       NULL);
    vm->test_socket = g_build_filename(vm->directory, VM_QEMU_TEST_SOCKET,
                                       NULL);
    vm->serial = g_build_filename(vm->directory, VM_QEMU_SERIAL, NULL);
    vm->errors = g_build_filename(vm->directory, VM_QEMU_STDERR, NULL);
    if (vm->options.uid &&
        chown(vm->directory, vm->options.uid, vm->options.gid) < 0) {
        return error_set_errno(error, errno, "cannot give %s to user %u",
                               vm->directory, vm->options.uid);
    }
    return true;
}

/* The group that may open /dev/kvm. */
static gid_t
kvm_group(const VmQemuOptions *options)
{
    struct stat st;
    return options->kvm && stat("/dev/kvm", &st) == 0 ? st.st_gid : 0;
}

/* The name of RAM file I if it has one of its own: QEMU leaves it behind. */
static const char *
ram_file(const VmQemuOptions *options, int i)
{
    const VmMemory *memory = &options->memory[i];
    bool named = memory->mib && memory->kind == VM_MEMORY_FILE &&
                 memory->path && !g_file_test(memory->path, G_FILE_TEST_IS_DIR);
    return named ? memory->path : NULL;
}

static bool
remember_ram_files(const VmQemuOptions *options, GError **error)
{
    for (int i = 0; i < VM_QEMU_MAX_MEMORY; i++) {
        const char *path = ram_file(options, i);
        if (path && !vm_child_remember(path, error)) {
            return false;
        }
    }
    return true;
}

static void
remove_ram_files(const VmQemuOptions *options)
{
    for (int i = 0; i < VM_QEMU_MAX_MEMORY; i++) {
        const char *path = ram_file(options, i);
        if (path) {
            unlink(path);
            vm_child_forget(path);
        }
    }
}

VmQemu *
vm_qemu_start(const VmQemuOptions *options, GError **error)
{
    g_autoptr(VmQemu) vm = g_new0(VmQemu, 1);
    vm->options = *options;
    if (!make_directory(vm, error) || !remember_ram_files(options, error)) {
        return NULL;
    }
    g_autoptr(GPtrArray) args = vm_qemu_args(options, vm->directory);
    g_auto(GStrv) environment = vm_qemu_environment(options);
    VmChildOptions child = {
        .argv = (const char *const *)args->pdata,
        .environment = (const char *const *)environment,
        .stderr_path = vm->errors,
        .uid = options->uid,
        .gid = options->gid,
        .extra_gid = kvm_group(options),
    };
    vm->child = vm_child_start(&child, error);
    if (!vm->child || !wait_for_monitor(vm, error)) {
        return NULL;
    }
    return g_steal_pointer(&vm);
}

void
vm_qemu_free(VmQemu *vm)
{
    if (!vm) {
        return;
    }
    g_clear_pointer(&vm->monitor, qmp_client_close);
    vm_child_free(vm->child);
    remove_ram_files(&vm->options);
    if (vm->directory) {
        vm_child_remove_directory(vm->directory);
    }
    g_free(vm->directory);
    g_free(vm->tool_socket);
    g_free(vm->test_socket);
    g_free(vm->serial);
    g_free(vm->errors);
    g_free(vm);
}

VmChild *
vm_qemu_child(VmQemu *vm)
{
    return vm->child;
}

pid_t
vm_qemu_pid(const VmQemu *vm)
{
    return vm_child_pid(vm->child);
}

const VmQemuOptions *
vm_qemu_options(const VmQemu *vm)
{
    return &vm->options;
}

const char *
vm_qemu_tool_socket(const VmQemu *vm)
{
    return vm->tool_socket;
}

QmpClient *
vm_qemu_monitor(VmQemu *vm)
{
    return vm->monitor;
}

bool
vm_qemu_command(VmQemu *vm, const char *command, const char *arguments,
                GError **error)
{
    JsonNode *node = NULL;
    if (arguments && !(node = json_from_string(arguments, error))) {
        return false;
    }
    g_autoptr(JsonNode) result = qmp_client_execute(vm->monitor, command, node,
                                                    error);
    return result != NULL;
}

const char *
vm_qemu_serial_path(const VmQemu *vm)
{
    return vm->serial;
}

char *
vm_qemu_serial_text(const VmQemu *vm)
{
    return read_text(vm->serial);
}

char *
vm_qemu_stderr_text(const VmQemu *vm)
{
    return read_text(vm->errors);
}

static bool
has_whole_line(const char *text, const char *wanted)
{
    const char *at = strstr(text, wanted);
    return at && strchr(at, '\n');
}

bool
vm_qemu_wait_serial(VmQemu *vm, const char *text, int timeout_ms,
                    GError **error)
{
    uint64_t deadline = fd_deadline_ns(timeout_ms);
    for (;;) {
        bool ended = vm_child_has_ended(vm->child, NULL);
        g_autofree char *serial = read_text(vm->serial);
        if (has_whole_line(serial, text)) {
            return true;
        }
        if (ended || fd_now_ns() > deadline) {
            g_autofree char *end = describe_end(vm);
            return error_set(error, ended ? ERROR_VM_GONE : ERROR_RETRY,
                             "the guest did not print \"%s\" within %d ms. %s; "
                             "its serial line ends: %s", text, timeout_ms, end,
                             tail_of(serial));
        }
        g_usleep(20000);
    }
}

bool
vm_qemu_wait_state(VmQemu *vm, const char *state, int timeout_ms,
                   GError **error)
{
    uint64_t deadline = fd_deadline_ns(timeout_ms);
    for (;;) {
        g_autoptr(JsonNode) reply = qmp_client_execute(
            vm->monitor, "query-status", NULL, error);
        if (!reply) {
            return false;
        }
        const char *now = json_object_get_string_member_with_default(
            json_node_get_object(reply), "status", "");
        if (strcmp(now, state) == 0) {
            return true;
        }
        if (fd_now_ns() > deadline) {
            g_autofree char *end = describe_end(vm);
            return error_set(error, ERROR_RETRY,
                             "the guest is %s, not %s, after %d ms. %s", now,
                             state, timeout_ms, end);
        }
        g_usleep(10000);
    }
}
