/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * postlude collapse --domain on domains as libvirt makes them, without a
 * monitor for us: libvirt's own files tell when a migration is under way. One
 * that comes is waited for (--after-migration), one that goes ends the sweep.
 */
#include <string.h>

#include "base/fd.h"
#include "base/range.h"
#include "tests/support/khugepaged.h"
#include "tests/support/libvirt-expect.h"
#include "tests/support/vm-expect.h"

#define MOVE_MS 120000

/* Slow enough to be met on its way. */
static VmTool *
start_postcopy(LibvirtDomain *domain, const char *from)
{
    static const char *const flags[] = {"--postcopy", "--bandwidth", "1",
                                        "--postcopy-bandwidth", "16", NULL};
    g_autoptr(GError) error = NULL;
    VmTool *virsh = libvirt_domain_start_migrate(domain, from, flags, &error);
    g_assert_no_error(error);
    return virsh;
}

static void
switch_to_postcopy(LibvirtDomain *domain, const char *from)
{
    const char *const now[] = {"migrate-postcopy", libvirt_domain_name(domain),
                               NULL};
    uint64_t deadline = fd_deadline_ns(MOVE_MS);
    while (!libvirt_rig_virsh(libvirt_domain_rig(domain), from, now, NULL,
                              NULL)) {
        g_assert_cmpuint(fd_now_ns(), <, deadline);
        g_usleep(20000);
    }
}

/* MORE ends with NULL. */
static VmTool *
start_verb(LibvirtDomain *domain, const char *host, const char *verb,
           const char *const *more)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    g_ptr_array_add(argv, (char *)"postlude");
    g_ptr_array_add(argv, (char *)verb);
    g_ptr_array_add(argv, (char *)"--domain");
    g_ptr_array_add(argv, (char *)libvirt_domain_name(domain));
    for (; *more; more++) {
        g_ptr_array_add(argv, (char *)*more);
    }
    g_ptr_array_add(argv, NULL);
    VmTool *tool = libvirt_rig_start_on(libvirt_domain_rig(domain), host,
                                        (const char *const *)argv->pdata,
                                        &error);
    g_assert_no_error(error);
    return tool;
}

static void
expect_says(VmTool *tool, int code, const char *const *texts)
{
    vm_expect_end(tool, MOVE_MS, code, "");
    g_autofree char *said = vm_tool_stdout(tool);
    g_test_message("%s", said);
    for (; *texts; texts++) {
        if (!strstr(said, *texts)) {
            g_error("it does not say \"%s\": %s", *texts, said);
        }
    }
}

/* The file that postlude reads it from. */
static bool
is_coming(LibvirtDomain *domain, const char *host)
{
    g_autofree char *name = g_strdup_printf("run/libvirt/qemu/%s.xml",
                                            libvirt_domain_name(domain));
    g_autofree char *path =
        libvirt_rig_file(libvirt_domain_rig(domain), host, name);
    g_autofree char *text = NULL;
    return g_file_get_contents(path, &text, NULL, NULL) &&
           strstr(text, "migration in");
}

static void
wait_until_there(LibvirtDomain *domain, const char *host)
{
    uint64_t deadline = fd_deadline_ns(MOVE_MS);
    while (libvirt_domain_pid(domain, host) == 0 || !is_coming(domain, host)) {
        g_assert_cmpuint(fd_now_ns(), <, deadline);
        g_usleep(20000);
    }
}

static void
arrive_and_be_swept(LibvirtDomain *domain)
{
    static const char *const after[] = {"--after-migration", NULL};
    static const char *const now[] = {NULL};
    g_autoptr(VmTool) virsh = start_postcopy(domain, "a");
    wait_until_there(domain, "b");
    g_autoptr(VmTool) sweep = start_verb(domain, "b", "collapse", after);
    vm_expect_says(sweep, "waiting for the end of the migration");
    g_autoptr(VmTool) too_early = start_verb(domain, "b", "collapse", now);
    vm_expect_end(too_early, MOVE_MS, 1,
                  "a migration of the guest is under way");
    g_autoptr(VmTool) leaving = start_verb(domain, "a", "collapse", now);
    vm_expect_end(leaving, MOVE_MS, 1,
                  "a migration of the guest is under way");
    switch_to_postcopy(domain, "a");
    vm_expect_end(virsh, MOVE_MS, 0, "");
    expect_says(sweep, 0, (const char *const[]){"every extent was tried",
                                                "(100.0%) now", NULL});
    libvirt_expect_huge(domain, "b", 99);
    libvirt_expect_runs(domain, "b");
}

static uint64_t
huge_bytes(LibvirtDomain *domain, const char *host, uint64_t *rss)
{
    g_autoptr(GError) error = NULL;
    uint64_t huge = 0;
    libvirt_domain_huge(domain, host, &huge, rss, &error);
    g_assert_no_error(error);
    return huge;
}

/* A sweep that would take a minute, met after two extents that neither the
 * precopy phase nor khugepaged has made huge. What khugepaged does may be for
 * other processes, and there may be more of it than this domain has memory: so
 * at the latest ten extents before the end. */
static VmTool *
start_slow_sweep(LibvirtDomain *domain, const char *host)
{
    static const char *const slowly[] = {"--duty", "0.1", NULL};
    uint64_t khugepaged = khugepaged_made_bytes();
    uint64_t rss = 0, bar;
    uint64_t before = huge_bytes(domain, host, &rss);
    uint64_t deadline = fd_deadline_ns(MOVE_MS);
    VmTool *sweep = start_verb(domain, host, "collapse", slowly);
    do {
        bar = before + 2 * EXTENT_BYTES + khugepaged_made_bytes() - khugepaged;
        if (vm_child_has_ended(vm_tool_child(sweep), NULL)) {
            g_autofree char *said = vm_tool_stderr(sweep);
            g_error("the sweep was over before it was met: %s", said);
        }
        g_assert_cmpuint(fd_now_ns(), <, deadline);
        g_usleep(20000);
    } while (huge_bytes(domain, host, &rss) <
             MIN(bar, rss - 10 * EXTENT_BYTES));
    return sweep;
}

/* In small pages by a postcopy from B to A, then back in the middle of it. */
static void
leave_in_the_middle(LibvirtDomain *domain)
{
    libvirt_expect_postcopy(domain, "b");
    g_autoptr(VmTool) sweep = start_slow_sweep(domain, "a");
    g_autoptr(VmTool) virsh = start_postcopy(domain, "a");
    expect_says(sweep, 3,
                (const char *const[]){"a migration of the guest is under way",
                                      "not reached in this run", NULL});
    g_assert_false(vm_child_has_ended(vm_tool_child(virsh), NULL));
    switch_to_postcopy(domain, "a");
    vm_expect_end(virsh, MOVE_MS, 0, "");
    libvirt_expect_runs(domain, "b");
}

static void
test_follows(void)
{
    const LibvirtDomainOptions options = {
        .ordinary = true,
        .mib = 128,
        .append = "mib=96 scan=1 stride=1024 report=50 slow=1000"};
    g_autoptr(LibvirtRig) rig = libvirt_expect_root_rig();
    if (!rig) {
        return;
    }
    g_autoptr(LibvirtDomain) domain = libvirt_expect_domain(rig, &options);
    arrive_and_be_swept(domain);
    leave_in_the_middle(domain);
}

/* Also by the monitor that a domain has for postlude. An ordinary one could not
 * be moved by us, which is essential. */
static void
test_check(gconstpointer data)
{
    const LibvirtDomainOptions options = {.ordinary = GPOINTER_TO_INT(data)};
    static const char *const nothing[] = {NULL};
    g_autoptr(LibvirtRig) rig = libvirt_expect_root_rig();
    if (!rig) {
        return;
    }
    g_autoptr(LibvirtDomain) domain = libvirt_expect_domain(rig, &options);
    g_autoptr(VmTool) check = start_verb(domain, "a", "check", nothing);
    expect_says(check, options.ordinary ? 1 : 0,
                (const char *const[]){
                    "ok      domain 'witness' is process ",
                    options.ordinary ? "without a monitor of its own"
                                     : "with a monitor of its own",
                    "MiB hold data", NULL});
    g_autoptr(VmTool) nobody = start_verb(domain, "b", "check", nothing);
    expect_says(nobody, 1,
                (const char *const[]){
                    "MISSING domain 'witness' does not run on this host",
                    NULL});
    libvirt_expect_clean(domain, "a");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/collapse-follows/a-domain", test_follows);
    g_test_add_data_func("/collapse-follows/check/ordinary",
                         GINT_TO_POINTER(TRUE), test_check);
    g_test_add_data_func("/collapse-follows/check/own-monitor",
                         GINT_TO_POINTER(FALSE), test_check);
    return g_test_run();
}
