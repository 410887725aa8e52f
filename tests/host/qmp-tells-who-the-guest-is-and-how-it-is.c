/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Real QEMUs, incoming: identity, run state, events, capabilities and
 * parameters are as the typed commands say; a second client is told that the
 * monitor is taken; a killed QEMU is VM_GONE.
 */
#include <signal.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "qmp/qmp-qemu.h"
#include "tests/support/vm-qemu.h"

#define UUID "11111111-2222-3333-4444-555555555555"
#define WAIT_MS 20000

static VmQemu *
start(gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    VmQemuOptions options = {.version = GPOINTER_TO_INT(data),
                             .name = "moritz",
                             .uuid = UUID,
                             .kernel = "",
                             .incoming = true};
    g_autofree char *why_not = vm_qemu_why_not(options.version, false);
    if (why_not) {
        if (g_getenv("TESTS_MUST_RUN")) {
            g_test_fail_printf("%s", why_not);
        } else {
            g_test_skip(why_not);
        }
        return NULL;
    }
    VmQemu *vm = vm_qemu_start(&options, &error);
    g_assert_no_error(error);
    return vm;
}

static void
assert_run_state(QmpClient *monitor, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *state = qmp_qemu_run_state(monitor, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(state, ==, expected);
}

static void
test_identity(gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmQemu) vm = start(data);
    if (!vm) {
        return;
    }
    QmpClient *monitor = vm_qemu_monitor(vm);
    QmpIdentity identity = {0};
    int major, minor, micro;
    g_assert_true(qmp_qemu_identity(monitor, &identity, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(identity.name, ==, "moritz");
    g_assert_cmpstr(identity.uuid, ==, UUID);
    qmp_identity_clear(&identity);
    qmp_client_version(monitor, &major, &minor, &micro);
    g_assert_cmpint(major, >=, 7);
    g_assert_cmpint(qmp_client_peer_pid(monitor), ==, vm_qemu_pid(vm));
}

static void
test_stop_while_incoming(gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmQemu) vm = start(data);
    if (!vm) {
        return;
    }
    QmpClient *monitor = vm_qemu_monitor(vm);
    g_autofree char *status =
        qmp_qemu_migration_status(monitor, NULL, &error);
    g_assert_cmpstr(status, ==, "none");
    assert_run_state(monitor, "inmigrate");
    g_assert_true(qmp_qemu_stop(monitor, &error));
    assert_run_state(monitor, "inmigrate");
    g_autoptr(QmpEvent) none = qmp_client_pop_event(monitor);
    g_assert_null(none);
    g_assert_false(qmp_qemu_migrate_continue(monitor, &error));
    g_assert_true(error_is(error, ERROR_STATE));
}

static void
test_capabilities_and_parameters(gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmQemu) vm = start(data);
    if (!vm) {
        return;
    }
    QmpClient *monitor = vm_qemu_monitor(vm);
    bool on = true;
    gint64 value = 0;
    for (int wanted = 0; wanted < 3; wanted++) {
        g_assert_true(qmp_qemu_set_capability(monitor, "x-ignore-shared",
                                              wanted % 2, &error));
        g_assert_true(qmp_qemu_get_capability(monitor, "x-ignore-shared", &on,
                                              &error));
        g_assert_cmpint(on, ==, wanted % 2);
    }
    g_assert_false(qmp_qemu_set_capability(monitor, "nonsense", on, &error));
    g_assert_true(error_is(error, ERROR_UNSUPPORTED));
    g_clear_error(&error);
    g_assert_true(
        qmp_qemu_set_parameter(monitor, "downtime-limit", 1234, &error));
    g_assert_true(
        qmp_qemu_get_parameter(monitor, "downtime-limit", &value, &error));
    g_assert_cmpint(value, ==, 1234);
    g_assert_false(
        qmp_qemu_set_parameter(monitor, "downtime-limit", -1, &error));
    g_assert_true(error_is(error, ERROR_FAILED));
    g_clear_error(&error);
    g_assert_false(qmp_qemu_set_parameter(monitor, "nonsense", 1, &error));
    g_assert_true(error_is(error, ERROR_UNSUPPORTED));
}

static void
test_events(gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmQemu) vm = start(data);
    if (!vm) {
        return;
    }
    QmpClient *monitor = vm_qemu_monitor(vm);
    g_assert_true(qmp_qemu_set_capability(monitor, "events", true, &error));
    g_assert_false(
        qmp_qemu_migrate_incoming(monitor, "unix:/nonexistent/x", &error));
    g_assert_true(error_is(error, ERROR_FAILED));
    g_assert_nonnull(strstr(error->message, "/nonexistent/x"));
    g_autoptr(QmpEvent) event = qmp_client_pop_event(monitor);
    g_assert_nonnull(event);
    g_assert_cmpstr(event->name, ==, "MIGRATION");
    g_assert_cmpstr(event->status, ==, "setup");
    g_assert_cmpint(ABS(event->time_us - g_get_real_time()), <,
                    60 * G_USEC_PER_SEC);
}

static void
test_taken_and_gone(gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(VmQemu) vm = start(data);
    if (!vm) {
        return;
    }
    g_autoptr(QmpClient) first =
        qmp_client_open(vm_qemu_tool_socket(vm), WAIT_MS, &error);
    g_assert_no_error(error);
    g_assert_null(qmp_client_open(vm_qemu_tool_socket(vm), 200, &error));
    g_assert_true(error_is(error, ERROR_RETRY));
    g_assert_nonnull(strstr(error->message, "another client"));
    g_clear_error(&error);

    vm_child_kill(vm_qemu_child(vm), SIGKILL);
    g_assert_true(vm_child_wait(vm_qemu_child(vm), WAIT_MS, NULL));
    g_assert_null(qmp_qemu_run_state(first, &error));
    g_assert_true(error_is(error, ERROR_VM_GONE));
    g_clear_error(&error);
    g_assert_null(qmp_client_open(vm_qemu_tool_socket(vm), WAIT_MS, &error));
    g_assert_true(error_is(error, ERROR_PEER_GONE));
    g_assert_nonnull(strstr(error->message, "nobody listens"));
}

static void
add(const char *name, GTestDataFunc test)
{
    g_autofree char *host = g_strdup_printf("/qmp/%s/host", name);
    g_autofree char *ten = g_strdup_printf("/qmp/%s/10", name);
    g_test_add_data_func(host, GINT_TO_POINTER(VM_QEMU_HOST), test);
    g_test_add_data_func(ten, GINT_TO_POINTER(VM_QEMU_10), test);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("identity", test_identity);
    add("stop-while-incoming", test_stop_while_incoming);
    add("capabilities-and-parameters", test_capabilities_and_parameters);
    add("events", test_events);
    add("taken-and-gone", test_taken_and_gone);
    return g_test_run();
}
