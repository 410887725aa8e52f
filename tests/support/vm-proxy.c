/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Running a fault proxy: see vm-proxy.h.
 */
#include "tests/support/vm-proxy.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/support/vm-pair.h"
#include "wire/wire-address.h"

#define PATIENCE_MS 10000

struct VmProxy {
    VmChild *child;
    char *directory, *address, *err;
    int control;
    char *told; /* the last answer, without "ok N" */
};

static const char *
program(void)
{
    const char *path = g_getenv("POSTLUDE_FAULT_PROXY");
    return path ? path : VM_PROXY_PATH;
}

void
vm_proxy_free(VmProxy *proxy)
{
    if (!proxy) {
        return;
    }
    vm_child_free(proxy->child);
    fd_clear(&proxy->control);
    if (proxy->directory) {
        vm_child_remove_directory(proxy->directory);
    }
    g_free(proxy->directory);
    g_free(proxy->address);
    g_free(proxy->err);
    g_free(proxy->told);
    g_free(proxy);
}

const char *
vm_proxy_address(const VmProxy *proxy)
{
    return proxy->address;
}

/* Until it listens there, it is not ready. */
static bool
connect_control(VmProxy *proxy, const char *path, GError **error)
{
    g_autofree char *text = g_strconcat("unix:", path, NULL);
    g_autoptr(WireAddress) address = wire_address_parse(text, error);
    uint64_t deadline = fd_deadline_ns(PATIENCE_MS);
    while (address && (proxy->control = wire_address_dial(address, NULL)) < 0) {
        if (vm_child_has_ended(proxy->child, NULL) || fd_now_ns() > deadline) {
            g_autofree char *said = NULL;
            g_file_get_contents(proxy->err, &said, NULL, NULL);
            return error_set(error, ERROR_FAILED,
                             "the fault proxy does not start; it said: %s",
                             said ? said : "");
        }
        g_usleep(1000);
    }
    return address != NULL;
}

VmProxy *
vm_proxy_start(const char *listen, const char *target, unsigned seed,
               GError **error)
{
    g_autoptr(VmProxy) proxy = g_new0(VmProxy, 1);
    g_autofree char *dice = g_strdup_printf("%u", seed);
    proxy->control = -1;
    proxy->address = g_strdup(listen);
    proxy->directory = vm_child_make_directory("postlude-proxy", error);
    if (!proxy->directory) {
        return NULL;
    }
    g_autofree char *path = g_build_filename(proxy->directory, "control",
                                             NULL);
    proxy->err = g_build_filename(proxy->directory, "stderr", NULL);
    const char *argv[] = {program(), path, listen, target, dice, NULL};
    VmChildOptions options = {.argv = argv, .stderr_path = proxy->err};
    proxy->child = vm_child_start(&options, error);
    if (!proxy->child || !connect_control(proxy, path, error)) {
        return NULL;
    }
    return g_steal_pointer(&proxy);
}

VmProxy *
vm_proxy_start_before(unsigned target_port, unsigned seed, GError **error)
{
    unsigned port;
    if (!vm_pair_find_port(&port, error)) {
        return NULL;
    }
    g_autofree char *listen = g_strdup_printf("127.0.0.1:%u", port);
    g_autofree char *target = g_strdup_printf("127.0.0.1:%u", target_port);
    return vm_proxy_start(listen, target, seed, error);
}

static char *
read_line(VmProxy *proxy, GError **error)
{
    g_autoptr(GString) line = g_string_new(NULL);
    uint64_t deadline = fd_deadline_ns(PATIENCE_MS);
    char byte;
    while (fd_read_all(proxy->control, &byte, 1, deadline, error)) {
        if (byte == '\n') {
            return g_string_free(g_steal_pointer(&line), FALSE);
        }
        g_string_append_c(line, byte);
    }
    g_prefix_error(error, "the fault proxy does not answer: ");
    return NULL;
}

bool
vm_proxy_order(VmProxy *proxy, const char *order, unsigned *met,
               GError **error)
{
    g_autofree char *line = g_strconcat(order, "\n", NULL);
    g_autofree char *said = NULL;
    if (!fd_write_all(proxy->control, line, strlen(line),
                      fd_deadline_ns(PATIENCE_MS), error) ||
        !(said = read_line(proxy, error))) {
        return false;
    }
    if (!g_str_has_prefix(said, "ok ")) {
        return error_set(error, ERROR_USAGE, "the fault proxy: %s", said);
    }
    char *rest;
    unsigned n = (unsigned)g_ascii_strtoull(said + strlen("ok "), &rest, 10);
    if (met) {
        *met = n;
    }
    g_free(proxy->told);
    proxy->told = g_strdup(rest);
    return true;
}

bool
vm_proxy_look(VmProxy *proxy, const char *name, uint64_t *value,
              GError **error)
{
    g_autofree char *key = g_strdup_printf(" %s=", name);
    if (!vm_proxy_order(proxy, "look", NULL, error)) {
        return false;
    }
    const char *at = strstr(proxy->told, key);
    if (!at) {
        return error_set(error, ERROR_USAGE, "the fault proxy tells no %s:%s",
                         name, proxy->told);
    }
    *value = g_ascii_strtoull(at + strlen(key), NULL, 10);
    return true;
}

bool
vm_proxy_wait(VmProxy *proxy, const char *name, uint64_t n, int timeout_ms,
              GError **error)
{
    uint64_t deadline = fd_deadline_ns(timeout_ms), value;
    for (;;) {
        if (!vm_proxy_look(proxy, name, &value, error)) {
            return false;
        }
        if (value == n) {
            return true;
        }
        if (fd_now_ns() > deadline) {
            return error_set(error, ERROR_RETRY,
                             "%s is not %" G_GUINT64_FORMAT " at the fault "
                             "proxy:%s", name, n, proxy->told);
        }
        g_usleep(1000);
    }
}
