/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * "postlude migrate" that is stopped while libvirt waits for the destination's
 * hook, before that has armed anything and after: by domjobabort, by a signal,
 * by SIGKILL, or by one to the sender that it has started. The guest goes on
 * running on the source, nothing is left on either host, and the next move
 * works.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/support/libvirt-journey.h"

#define GONE_MS 30000
/* Until the test says so, or has died. */
#define TAKES_ITS_TIME                                                      \
    "i=0; while [ ! -e %s ] && [ $i -lt 1200 ]; do "                        \
    "sleep .1; i=$((i + 1)); done\n"
#define AT_START "[ \"$2 $3\" = 'started begin' ] || exec \"$hook\" \"$@\"\n"

typedef struct {
    bool armed; /* stopped after the hook has armed, not before */
    int signal; /* to postlude migrate; 0: virsh domjobabort */
    const char *sender; /* it is its sender that is killed, and this is said */
} Case;

static char *
flag_file(const LibvirtRig *rig)
{
    return libvirt_rig_file(rig, "shared", "in-hook");
}

static char *
go_file(const LibvirtRig *rig)
{
    return libvirt_rig_file(rig, "shared", "go");
}

static void
let_hook_go(const LibvirtRig *rig)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *go = go_file(rig);
    g_file_set_contents(go, "", 0, &error);
    g_assert_no_error(error);
}

/* The hook says that it is there, and then takes its time. */
static void
slow_hook(LibvirtRig *rig, bool armed)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *file = flag_file(rig);
    g_autofree char *go = go_file(rig);
    g_autofree char *script = g_strdup_printf(
        armed ? AT_START "\"$hook\" \"$@\" || exit 1\n"
                         "touch %s\n" TAKES_ITS_TIME "exit 0\n"
              : AT_START "touch %s\n" TAKES_ITS_TIME,
        file, go);
    libvirt_rig_set_hook(rig, "b", script, &error);
    g_assert_no_error(error);
}

static void
wait_for_hook(const LibvirtRig *rig, VmTool *tool)
{
    g_autofree char *file = flag_file(rig);
    uint64_t deadline = fd_deadline_ns(60000);
    while (access(file, F_OK) < 0) {
        g_autofree char *said = vm_tool_stderr(tool);
        if (vm_child_has_ended(vm_tool_child(tool), NULL) ||
            fd_now_ns() > deadline) {
            g_error("the hook was not reached; it said: %s", said);
        }
        g_usleep(10000);
    }
    unlink(file);
}

static void
stop(LibvirtDomain *domain, VmTool *tool, const Case *c)
{
    g_autoptr(GError) error = NULL;
    if (c->sender) {
        libvirt_journey_kill_sender(libvirt_domain_rig(domain), "a", 0);
    } else if (c->signal) {
        libvirt_rig_signal(tool, c->signal, &error);
    } else {
        const char *const abort_job[] = {"domjobabort",
                                         libvirt_domain_name(domain), NULL};
        libvirt_rig_virsh(libvirt_domain_rig(domain), "a", abort_job, NULL,
                          &error);
    }
    g_assert_no_error(error);
}

/* Killed, it says nothing, and libvirt goes on until the hook is done. The
 * sender must not wait for that: nobody has told it how long that may take. */
static void
expect_stopped(LibvirtRig *rig, VmTool *tool, const Case *c)
{
    if (c->signal == SIGKILL) {
        uint64_t deadline = fd_deadline_ns(GONE_MS);
        g_assert_true(vm_child_wait(vm_tool_child(tool), 10000, NULL));
        while (libvirt_rig_count(rig, "a", "postlude") > 0) {
            g_assert_cmpuint(fd_now_ns(), <, deadline);
            g_usleep(20000);
        }
        let_hook_go(rig);
    } else {
        let_hook_go(rig);
        libvirt_journey_expect_end(tool, 1, "is running on this host");
        g_autofree char *said = vm_tool_stderr(tool);
        g_assert_true(!c->sender || strstr(said, c->sender));
    }
}

static void
wait_for_rest(LibvirtDomain *domain)
{
    uint64_t deadline = fd_deadline_ns(30000);
    while (libvirt_domain_pid(domain, "b") != 0) {
        g_assert_cmpuint(fd_now_ns(), <, deadline);
        g_usleep(50000);
    }
}

static void
stop_and_move(gconstpointer data)
{
    const Case *c = data;
    const LibvirtDomainOptions options = {0};
    g_autoptr(GError) error = NULL;
    g_autoptr(LibvirtRig) rig = libvirt_journey_rig(NULL);
    if (!rig) {
        return;
    }
    g_autoptr(LibvirtDomain) domain = libvirt_expect_domain(rig, &options);
    slow_hook(rig, c->armed);
    g_autoptr(VmTool) tool = libvirt_journey_start(domain, "a", NULL);
    wait_for_hook(rig, tool);
    stop(domain, tool, c);
    expect_stopped(rig, tool, c);
    wait_for_rest(domain);
    libvirt_journey_expect_home(domain, "a");
    libvirt_rig_set_hook(rig, "b", NULL, &error);
    libvirt_journey_expect(domain, "a", NULL);
}

int
main(int argc, char **argv)
{
    static const Case cases[] = {
        {false, 0, NULL},
        {true, 0, NULL},
        {false, SIGTERM, NULL},
        {true, SIGINT, NULL},
        {false, SIGKILL, NULL},
        {true, SIGKILL, NULL},
        {false, 0, "its sender was ended by signal 9"},
        {true, 0,
         "this host: switchover: the sender ended before the point of no "
         "return; what it had changed in QEMU is undone"}};
    static const char *const names[] = {
        "/who-stops/abort/before", "/who-stops/abort/armed",
        "/who-stops/sigterm/before", "/who-stops/sigint/armed",
        "/who-stops/sigkill/before", "/who-stops/sigkill/armed",
        "/who-stops/sender-killed/before", "/who-stops/sender-killed/armed"};
    G_STATIC_ASSERT(G_N_ELEMENTS(cases) == G_N_ELEMENTS(names));
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_add_data_func(names[i], &cases[i], stop_and_move);
    }
    return g_test_run();
}
