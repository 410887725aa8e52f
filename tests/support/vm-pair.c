/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Source, destination, and the tool between them.
 */
#include "tests/support/vm-pair.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

#define LISTEN_TIMEOUT_MS 60000

#define PORT_LEAST 10240
#define PORT_TRIES 100

/* The first port that the kernel hands out to whoever connects. */
static int
first_ephemeral_port(void)
{
    g_autofree char *text = NULL;
    g_file_get_contents("/proc/sys/net/ipv4/ip_local_port_range", &text, NULL,
                        NULL);
    int first = text ? atoi(text) : 0;
    return first > PORT_LEAST ? first : 32768;
}

static bool
is_free(int port)
{
    autofd fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return fd >= 0 &&
           bind(fd, (struct sockaddr *)&address, sizeof address) == 0;
}

/* Not one of those that the kernel gives to whoever connects: between two
 * moves nobody listens at it, and one of the test's own connections could be
 * given it. */
bool
vm_pair_find_port(unsigned *port, GError **error)
{
    int end = first_ephemeral_port();
    for (int tries = 0; tries < PORT_TRIES; tries++) {
        int candidate = g_random_int_range(PORT_LEAST, end);
        if (is_free(candidate)) {
            *port = (unsigned)candidate;
            return true;
        }
    }
    return error_set(error, ERROR_FAILED,
                     "found no free TCP port between %d and %d", PORT_LEAST,
                     end);
}

static bool
has_named_file(const VmQemuOptions *options)
{
    for (int i = 0; i < VM_QEMU_MAX_MEMORY && options->memory[i].mib; i++) {
        const char *path = options->memory[i].path;
        if (path && !g_file_test(path, G_FILE_TEST_IS_DIR)) {
            return true;
        }
    }
    return false;
}

VmPair *
vm_pair_start_idle(const VmQemuOptions *source,
                   const VmQemuOptions *destination, GError **error)
{
    g_autoptr(VmPair) pair = g_new0(VmPair, 1);
    VmQemuOptions incoming = *destination;
    incoming.incoming = true;
    if (!vm_pair_find_port(&pair->port, error) ||
        !(pair->source = vm_qemu_start(source, error)) ||
        !(pair->destination = vm_qemu_start(&incoming, error))) {
        return NULL;
    }
    return g_steal_pointer(&pair);
}

VmPair *
vm_pair_start_two(const VmQemuOptions *source,
                  const VmQemuOptions *destination, int fill_timeout_ms,
                  GError **error)
{
    g_autoptr(VmPair) pair = vm_pair_start_idle(source, destination, error);
    if (!pair ||
        !vm_qemu_wait_serial(pair->source, "ready ", fill_timeout_ms, error)) {
        return NULL;
    }
    return g_steal_pointer(&pair);
}

VmPair *
vm_pair_start(const VmQemuOptions *options, VmQemuVersion destination_version,
              int fill_timeout_ms, GError **error)
{
    VmQemuOptions destination = *options;
    destination.version = destination_version;
    if (has_named_file(options)) {
        error_set(error, ERROR_USAGE,
                  "a pair needs a directory as mem-path, not a file");
        return NULL;
    }
    return vm_pair_start_two(options, &destination, fill_timeout_ms, error);
}

bool
vm_pair_turn(VmPair *pair, GError **error)
{
    VmQemuOptions options = *vm_qemu_options(pair->source);
    options.incoming = true;
    vm_qemu_free(pair->source);
    pair->source = g_steal_pointer(&pair->destination);
    pair->destination = vm_qemu_start(&options, error);
    return pair->destination && vm_pair_find_port(&pair->port, error);
}

bool
vm_pair_renew_destination(VmPair *pair, GError **error)
{
    VmQemuOptions options = *vm_qemu_options(pair->destination);
    vm_qemu_free(g_steal_pointer(&pair->destination));
    pair->destination = vm_qemu_start(&options, error);
    return pair->destination && vm_pair_find_port(&pair->port, error);
}

void
vm_pair_free(VmPair *pair)
{
    if (!pair) {
        return;
    }
    vm_qemu_free(pair->source);
    vm_qemu_free(pair->destination);
    g_free(pair);
}

/* /proc/net/tcp: "sl: LOCAL:PORT REMOTE:PORT STATE ...", hexadecimal; 0A is
 * LISTEN. Connecting instead would look like a peer. */
static bool
is_listening(unsigned port)
{
    static const char *const files[] = {"/proc/net/tcp", "/proc/net/tcp6"};
    g_autofree char *wanted = g_strdup_printf(":%04X", port);
    for (size_t i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *text = NULL;
        if (!g_file_get_contents(files[i], &text, NULL, NULL)) {
            continue;
        }
        g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
        for (char **line = lines; *line; line++) {
            g_auto(GStrv) words = g_strsplit_set(g_strstrip(*line), " ", 5);
            if (g_strv_length(words) >= 4 &&
                g_str_has_suffix(words[1], wanted) &&
                strcmp(words[3], "0A") == 0) {
                return true;
            }
        }
    }
    return false;
}

bool
vm_pair_wait_listening(unsigned port, int timeout_ms, GError **error)
{
    uint64_t deadline = fd_deadline_ns(timeout_ms);
    while (!is_listening(port)) {
        if (fd_now_ns() > deadline) {
            return error_set(error, ERROR_RETRY,
                             "nobody listens on port %u after %d ms", port,
                             timeout_ms);
        }
        g_usleep(5000);
    }
    return true;
}

static VmTool *
start_tool(const char *verb, const char *socket, const char *where,
           const char *host_port, const char *const *extra, GError **error)
{
    g_autoptr(GPtrArray) args = g_ptr_array_new();
    const char *fixed[] = {"--qmp", socket, where, host_port};
    for (size_t i = 0; i < G_N_ELEMENTS(fixed); i++) {
        g_ptr_array_add(args, (char *)fixed[i]);
    }
    for (; extra && *extra; extra++) {
        g_ptr_array_add(args, (char *)*extra);
    }
    g_ptr_array_add(args, NULL);
    return vm_tool_start(verb, (const char *const *)args->pdata, true, error);
}

/* PORT must be listened on by TOOL, which must not have ended. */
static bool
wait_sender(VmTool *tool, unsigned port, GError **error)
{
    uint64_t deadline = fd_deadline_ns(LISTEN_TIMEOUT_MS);
    while (!is_listening(port)) {
        if (vm_child_has_ended(vm_tool_child(tool), NULL) ||
            fd_now_ns() > deadline) {
            g_autofree char *text = vm_tool_stderr(tool);
            return error_set(error, ERROR_FAILED,
                             "postlude send does not listen; it said: %s",
                             text);
        }
        g_usleep(2000);
    }
    return true;
}

VmTool *
vm_pair_send(VmPair *pair, const char *const *extra, GError **error)
{
    g_autofree char *at = g_strdup_printf("127.0.0.1:%u", pair->port);
    g_autoptr(VmTool) tool = start_tool(
        "send", vm_qemu_tool_socket(pair->source), "--listen", at, extra,
        error);
    if (!tool || !wait_sender(tool, pair->port, error)) {
        return NULL;
    }
    return g_steal_pointer(&tool);
}

VmTool *
vm_pair_receive(VmPair *pair, const char *const *extra, GError **error)
{
    g_autofree char *at = g_strdup_printf("127.0.0.1:%u", pair->port);
    return vm_pair_receive_from(pair, at, extra, error);
}

VmTool *
vm_pair_receive_from(VmPair *pair, const char *host_port,
                     const char *const *extra, GError **error)
{
    return start_tool("receive", vm_qemu_tool_socket(pair->destination),
                      "--connect", host_port, extra, error);
}

/* Exit code 0 within what is left of the time. */
static bool
expect_success(VmTool *tool, const char *what, uint64_t deadline,
               GError **error)
{
    uint64_t now = fd_now_ns();
    int left_ms = now < deadline ? (int)((deadline - now) / 1000000) : 0;
    int code;
    if (!vm_tool_wait(tool, left_ms, &code, error)) {
        return false;
    }
    if (code != 0) {
        g_autofree char *text = vm_tool_stderr(tool);
        return error_set(error, ERROR_FAILED,
                         "postlude %s exited with %d; it said: %s", what, code,
                         text);
    }
    return true;
}

bool
vm_pair_migrate(VmPair *pair, int timeout_ms, JsonNode **sent,
                JsonNode **received, GError **error)
{
    return vm_pair_migrate_with(pair, NULL, timeout_ms, sent, received, error);
}

bool
vm_pair_migrate_with(VmPair *pair, const char *const *extra, int timeout_ms,
                     JsonNode **sent, JsonNode **received, GError **error)
{
    uint64_t deadline = fd_deadline_ns(timeout_ms);
    g_autoptr(VmTool) send = vm_pair_send(pair, extra, error);
    g_autoptr(VmTool) receive = send ? vm_pair_receive(pair, extra, error)
                                     : NULL;
    if (!receive || !expect_success(receive, "receive", deadline, error) ||
        !expect_success(send, "send", deadline, error)) {
        if (send && error && *error) {
            g_autofree char *text = vm_tool_stderr(send);
            g_prefix_error(error, "(send said: %s) ", text);
        }
        return false;
    }
    if (sent && !(*sent = vm_tool_report(send, error))) {
        return false;
    }
    return !received || (*received = vm_tool_report(receive, error));
}

WitnessLog *
vm_pair_witness(VmPair *pair, GError **error)
{
    const char *paths[] = {vm_qemu_serial_path(pair->source),
                           vm_qemu_serial_path(pair->destination), NULL};
    return witness_log_read(paths, error);
}

static bool
check_words(const WitnessLog *log, GError **error)
{
    const WitnessBeat *last = witness_log_last(log);
    if (log->wrong->len != 0 || (last && last->wrong != 0)) {
        return error_set(error, ERROR_FAILED,
                         "the witness found %" G_GUINT64_FORMAT
                         " wrong words, first: %s", last ? last->wrong : 0,
                         log->wrong->len
                             ? (const char *)g_ptr_array_index(log->wrong, 0)
                             : "(its line was lost)");
    }
    return true;
}

bool
vm_pair_wait_scans(VmPair *pair, unsigned scans, int timeout_ms,
                   GError **error)
{
    uint64_t deadline = fd_deadline_ns(timeout_ms);
    uint64_t wanted = 0;
    for (;;) {
        bool ended = vm_child_has_ended(vm_qemu_child(pair->destination),
                                        NULL);
        g_autoptr(WitnessLog) log = vm_pair_witness(pair, error);
        if (!log || !check_words(log, error)) {
            return false;
        }
        const WitnessBeat *last = witness_log_last(log);
        if (last && wanted == 0) {
            wanted = last->scans + scans;
        } else if (last && last->scans >= wanted) {
            return true;
        }
        if (ended || fd_now_ns() > deadline) {
            return error_set(error, ended ? ERROR_VM_GONE : ERROR_RETRY,
                             "%s before the witness had checked all its pages "
                             "%u times; it prints beat %" G_GUINT64_FORMAT,
                             ended ? "the destination ended" : "time is up",
                             scans, last ? last->line : 0);
        }
        g_usleep(50000);
    }
}

static bool
check_side(VmQemu *vm, const char *side, GError **error)
{
    if (vm_look_is_released(vm, error) && vm_look_is_only_mapper(vm, error) &&
        vm_look_is_capability_off(vm, "x-ignore-shared", error)) {
        return true;
    }
    g_prefix_error(error, "%s: ", side);
    return false;
}

bool
vm_pair_check_left_clean(VmPair *pair, GError **error)
{
    return check_side(pair->source, "source", error) &&
           check_side(pair->destination, "destination", error);
}
