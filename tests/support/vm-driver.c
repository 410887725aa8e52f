/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Playing libvirt: see vm-driver.h.
 */
#include "tests/support/vm-driver.h"

#include <signal.h>
#include <string.h>

#include "base/fd.h"
#include "tests/support/vm-native.h"

#define LONG_MS 60000

struct VmDriver {
    VmPair *pair;
    char *directory, *uri;
};

static void
command(VmQemu *vm, const char *name, const char *arguments)
{
    g_autoptr(GError) error = NULL;
    vm_qemu_command(vm, name, arguments, &error);
    g_assert_no_error(error);
}

VmDriver *
vm_driver_accept(VmPair *pair)
{
    g_autoptr(GError) error = NULL;
    VmDriver *driver = g_new0(VmDriver, 1);
    driver->pair = pair;
    driver->directory = vm_child_make_directory("postlude-driver", &error);
    g_assert_no_error(error);
    driver->uri = g_strdup_printf("{\"uri\": \"unix:%s/stream\"}",
                                  driver->directory);
    command(pair->destination, "migrate-set-capabilities",
            "{\"capabilities\": [{\"capability\": \"events\", \"state\": "
            "true}]}");
    /* As -S does: it is for us to start the guest. */
    command(pair->destination, "stop", NULL);
    command(pair->destination, "migrate-incoming", driver->uri);
    return driver;
}

void
vm_driver_free(VmDriver *driver)
{
    vm_child_remove_directory(driver->directory);
    g_free(driver->directory);
    g_free(driver->uri);
    g_free(driver);
}

/* What libvirt sets: among the ones it knows, x-ignore-shared is not. */
void
vm_driver_start(VmDriver *driver)
{
    command(driver->pair->source, "migrate-set-capabilities",
            "{\"capabilities\": ["
            "{\"capability\": \"events\", \"state\": true}, "
            "{\"capability\": \"postcopy-ram\", \"state\": false}, "
            "{\"capability\": \"pause-before-switchover\", \"state\": true}, "
            "{\"capability\": \"return-path\", \"state\": true}]}");
    command(driver->pair->source, "migrate", driver->uri);
}

static bool
is_over(const char *status)
{
    return strcmp(status, "completed") == 0 || strcmp(status, "failed") == 0 ||
           strcmp(status, "cancelled") == 0;
}

void
vm_driver_wait(VmDriver *driver, const char *status)
{
    uint64_t deadline = fd_deadline_ns(LONG_MS);
    for (;;) {
        g_autofree char *now = vm_native_status(driver->pair->source);
        if (strcmp(now, status) == 0) {
            return;
        }
        if (fd_now_ns() > deadline) {
            g_error("the migration is %s, not %s", now, status);
        }
        g_usleep(500);
    }
}

void
vm_driver_continue(VmDriver *driver)
{
    command(driver->pair->source, "migrate-continue",
            "{\"state\": \"pre-switchover\"}");
}

void
vm_driver_cancel(VmDriver *driver)
{
    command(driver->pair->source, "migrate_cancel", NULL);
}

const char *
vm_driver_follow(VmDriver *driver)
{
    uint64_t deadline = fd_deadline_ns(LONG_MS);
    for (;;) {
        g_autofree char *now = vm_native_status(driver->pair->source);
        if (is_over(now)) {
            return g_intern_string(now);
        }
        if (strcmp(now, "pre-switchover") == 0) {
            /* Whoever follows may cancel in this very moment. */
            vm_qemu_command(driver->pair->source, "migrate-continue",
                            "{\"state\": \"pre-switchover\"}", NULL);
        }
        if (fd_now_ns() > deadline) {
            g_error("the migration is still %s", now);
        }
        g_usleep(500);
    }
}

static void
end(VmQemu *vm)
{
    vm_child_kill(vm_qemu_child(vm), SIGKILL);
    vm_child_wait(vm_qemu_child(vm), 60000, NULL);
}

void
vm_driver_finish(VmDriver *driver)
{
    command(driver->pair->destination, "cont", NULL);
    end(driver->pair->source);
}

void
vm_driver_take_back(VmDriver *driver)
{
    end(driver->pair->destination);
    command(driver->pair->source, "cont", NULL);
}

void
vm_driver_migrate(VmDriver *driver)
{
    vm_driver_start(driver);
    g_assert_cmpstr(vm_driver_follow(driver), ==, "completed");
    vm_driver_finish(driver);
}
