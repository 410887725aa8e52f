/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU's own migration: see vm-native.h.
 */
#include "tests/support/vm-native.h"

#include <string.h>

#include "base/fd.h"

static void
command(VmQemu *vm, const char *name, const char *arguments)
{
    g_autoptr(GError) error = NULL;
    vm_qemu_command(vm, name, arguments, &error);
    g_assert_no_error(error);
}

/* A precopy phase that is not meant to bring anything. */
#define CRAWL VM_NATIVE_MIB_PER_S(1)

static void
start(VmPair *pair, uint64_t precopy_bytes_per_s, uint64_t postcopy_bytes_per_s)
{
    static const char postcopy[] =
        "{\"capabilities\": [{\"capability\": \"postcopy-ram\", "
        "\"state\": true}]}";
    g_autofree char *to = g_strdup_printf("{\"uri\": \"tcp:127.0.0.1:%u\"}",
                                          pair->port);
    g_autofree char *speed = g_strdup_printf(
        "{\"max-bandwidth\": %" G_GUINT64_FORMAT
        ", \"max-postcopy-bandwidth\": %" G_GUINT64_FORMAT "}",
        precopy_bytes_per_s, postcopy_bytes_per_s);
    command(pair->source, "migrate-set-capabilities", postcopy);
    command(pair->destination, "migrate-set-capabilities", postcopy);
    command(pair->source, "migrate-set-parameters", speed);
    command(pair->destination, "migrate-incoming", to);
    command(pair->source, "migrate", to);
}

void
vm_native_start(VmPair *pair, uint64_t bytes_per_s)
{
    start(pair, bytes_per_s, 2 * bytes_per_s);
}

void
vm_native_switch(VmPair *pair)
{
    command(pair->source, "migrate-start-postcopy", NULL);
}

void
vm_native_move(VmPair *pair, uint64_t bytes_per_s)
{
    start(pair, CRAWL, bytes_per_s);
    vm_native_switch(pair);
}

char *
vm_native_status(VmQemu *vm)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(JsonNode) reply = qmp_client_execute(
        vm_qemu_monitor(vm), "query-migrate", NULL, &error);
    g_assert_no_error(error);
    return g_strdup(json_object_get_string_member_with_default(
        json_node_get_object(reply), "status", "none"));
}

void
vm_native_wait(VmQemu *vm, const char *status, int timeout_ms)
{
    uint64_t deadline = fd_deadline_ns(timeout_ms);
    for (;;) {
        g_autofree char *now = vm_native_status(vm);
        if (strcmp(now, status) == 0) {
            return;
        }
        if (strcmp(now, "failed") == 0 || fd_now_ns() > deadline) {
            g_error("the migration is %s, not %s", now, status);
        }
        g_usleep(5000);
    }
}

/* It closes its streams first of all, and its own thread may be quicker to say
 * that the migration has failed (migration/migration.c, migrate_fd_cancel). */
void
vm_native_cancel(VmQemu *vm, int timeout_ms)
{
    uint64_t deadline = fd_deadline_ns(timeout_ms);
    command(vm, "migrate_cancel", NULL);
    for (;;) {
        g_autofree char *now = vm_native_status(vm);
        if (strcmp(now, "cancelled") == 0 || strcmp(now, "failed") == 0) {
            return;
        }
        if (fd_now_ns() > deadline) {
            g_error("the migration is %s, not cancelled", now);
        }
        g_usleep(5000);
    }
}
