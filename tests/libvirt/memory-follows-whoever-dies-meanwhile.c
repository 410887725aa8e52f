/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A line so narrow that the guest runs on the destination for seconds while its
 * memory follows. libvirt has ended the source's QEMU by then and thinks that
 * all is over: the sender keeps the memory, says for whom and how much, and goes
 * on when postlude migrate is killed. Killed itself it has a successor; and if
 * that one is killed too, the words say who can still go on. The guest misses
 * nothing.
 */
#include <signal.h>
#include <string.h>

#include "base/fd.h"
#include "tests/support/libvirt-journey.h"
#include "tests/support/vm-expect.h"
#include "tests/support/vm-qemu.h"

#define WAIT_MS 120000

/* For the guest's memory half a minute, or some of them. */
#define SECONDS "24mbit"
#define MINUTES "4mbit"

static bool
set_line(LibvirtRig *rig, const char *how, const char *rate, GError **error)
{
    const char *const queue[] = {"tc", "qdisc", how, "dev", "veth0", "root",
                                 "tbf", "rate", rate, "burst", "128kb",
                                 "latency", "300ms", NULL};
    return libvirt_rig_run(rig, "a", queue, 20000, NULL, error);
}

/* A machine without this kind of queue has to skip. */
static bool
narrow(LibvirtRig *rig)
{
    g_autoptr(GError) error = NULL;
    if (!set_line(rig, "add", SECONDS, &error)) {
        vm_qemu_skip(g_strdup_printf("the line cannot be narrowed: %s",
                                     error->message));
        return false;
    }
    return true;
}

static void
widen(LibvirtRig *rig)
{
    const char *const queue[] = {"tc", "qdisc", "del", "dev", "veth0", "root",
                                 NULL};
    g_free(libvirt_expect_run(rig, "a", queue));
}

static void
expect_still_needed(LibvirtRig *rig)
{
    const char *const argv[] = {"postlude", "status", NULL};
    uint64_t deadline = fd_deadline_ns(WAIT_MS);
    for (;;) {
        g_autofree char *status = libvirt_expect_run(rig, "a", argv);
        if (strstr(status, "still needed by")) {
            g_test_message("%s", status);
            return;
        }
        if (fd_now_ns() > deadline) {
            g_error("status does not say who still needs it: %s", status);
        }
        g_usleep(50000);
    }
}

/* Until libvirt has done its part and the source's QEMU is gone. */
static void
wait_until_over_there(LibvirtDomain *domain, VmTool *tool)
{
    uint64_t deadline = fd_deadline_ns(WAIT_MS);
    for (;;) {
        g_autofree char *said = vm_tool_stderr(tool);
        g_autofree char *state = libvirt_domain_state(domain, "b");
        if (libvirt_domain_pid(domain, "a") == 0 &&
            g_strcmp0(state, "running") == 0) {
            return;
        }
        if (vm_child_has_ended(vm_tool_child(tool), NULL) ||
            fd_now_ns() > deadline) {
            g_error("the guest did not go over; it said: %s", said);
        }
        g_usleep(20000);
    }
}

static void
wait_until_tidy(LibvirtDomain *domain)
{
    uint64_t deadline = fd_deadline_ns(WAIT_MS);
    for (;;) {
        g_autofree char *xml = libvirt_journey_xml(domain, "b");
        if (!strstr(xml, "token=")) {
            return;
        }
        g_assert_cmpuint(fd_now_ns(), <, deadline);
        g_usleep(20000);
    }
}

static void
wait_for_the_rest(LibvirtRig *rig)
{
    uint64_t deadline = fd_deadline_ns(WAIT_MS);
    while (libvirt_rig_count(rig, "b", "postlude") > 0) {
        g_assert_cmpuint(fd_now_ns(), <, deadline);
        g_usleep(50000);
    }
}

static void
change_line(LibvirtRig *rig, const char *rate)
{
    g_autoptr(GError) error = NULL;
    set_line(rig, "change", rate, &error);
    g_assert_no_error(error);
}

/* On its way over such a line: the guest runs there, its memory follows. NULL if
 * that cannot be had here. */
static LibvirtDomain *
go_over(LibvirtRig *rig, VmTool **tool)
{
    static const LibvirtDomainOptions options = {
        .mib = 128, .append = "mib=96 scan=1 stride=1024 report=50 slow=1000"};
    if (!rig || !narrow(rig)) {
        return NULL;
    }
    LibvirtDomain *domain = libvirt_expect_domain(rig, &options);
    *tool = libvirt_journey_start(domain, "a", NULL);
    wait_until_over_there(domain, *tool);
    return domain;
}

/* While the memory is on its way: the line is narrow until all is said. */
static void
end_by(LibvirtRig *rig, VmTool *tool, int signal_)
{
    g_autoptr(GError) error = NULL;
    if (signal_) {
        libvirt_rig_signal(tool, signal_, &error);
        g_assert_no_error(error);
    }
    if (signal_ == SIGKILL) {
        g_assert_true(vm_child_wait(vm_tool_child(tool), WAIT_MS, NULL));
    } else if (signal_) {
        vm_expect_says(tool, "cannot be stopped any more");
    }
    g_assert_cmpuint(libvirt_rig_count(rig, "a", "postlude"), >, 0);
    widen(rig);
    if (signal_ != SIGKILL) {
        libvirt_journey_expect_end(tool, 0, "");
    }
}

static void
go(int signal_)
{
    g_autoptr(LibvirtRig) rig = libvirt_journey_rig(NULL);
    g_autoptr(VmTool) tool = NULL;
    g_autoptr(LibvirtDomain) domain = go_over(rig, &tool);
    if (!domain) {
        return;
    }
    expect_still_needed(rig);
    wait_until_tidy(domain);
    g_assert_cmpuint(libvirt_rig_count(rig, "b", "postlude"), >, 0);
    end_by(rig, tool, signal_);
    wait_for_the_rest(rig);
    libvirt_journey_expect_arrived(domain, "b");
}

static void
test_nobody(void)
{
    go(0);
}

static void
test_interrupted(void)
{
    go(SIGINT);
}

static void
test_killed(void)
{
    go(SIGKILL);
}

static void
test_sender_killed(void)
{
    g_autoptr(LibvirtRig) rig = libvirt_journey_rig(NULL);
    g_autoptr(VmTool) tool = NULL;
    g_autoptr(LibvirtDomain) domain = go_over(rig, &tool);
    if (!domain) {
        return;
    }
    change_line(rig, MINUTES);
    libvirt_journey_kill_sender(rig, "a", 0);
    widen(rig);
    libvirt_journey_expect_end(tool, 0, "takes over");
    wait_for_the_rest(rig);
    libvirt_journey_expect_arrived(domain, "b");
}

/* What migrate has asked for is done by hand. */
static void
test_sender_killed_twice(void)
{
    g_autoptr(LibvirtRig) rig = libvirt_journey_rig(NULL);
    g_autoptr(VmTool) tool = NULL;
    g_autoptr(LibvirtDomain) domain = go_over(rig, &tool);
    if (!domain) {
        return;
    }
    g_autofree char *monitor = libvirt_journey_monitor(domain, "b");
    const char *const resume[] = {"postlude", "send", "--resume", "--qmp",
                                  monitor, NULL};
    g_autofree char *words = g_strdup_printf(
        "'postlude send --resume --qmp %s' here", monitor);
    change_line(rig, MINUTES);
    gint64 first = libvirt_journey_kill_sender(rig, "a", 0);
    libvirt_journey_kill_sender(rig, "a", first);
    libvirt_journey_expect_end(tool, 3, words);
    widen(rig);
    g_free(libvirt_expect_run(rig, "a", resume));
    wait_for_the_rest(rig);
    libvirt_journey_expect_arrived(domain, "b");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/memory-follows/nobody-dies", test_nobody);
    g_test_add_func("/memory-follows/interrupted", test_interrupted);
    g_test_add_func("/memory-follows/killed", test_killed);
    g_test_add_func("/memory-follows/sender-killed", test_sender_killed);
    g_test_add_func("/memory-follows/sender-killed-twice",
                    test_sender_killed_twice);
    return g_test_run();
}
