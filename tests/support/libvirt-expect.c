/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Claims about domains on two hosts: see libvirt-expect.h.
 */
#include "tests/support/libvirt-expect.h"

#include <string.h>

#include "base/fd.h"
#include "tests/support/khugepaged.h"
#include "tests/support/vm-qemu.h"

#define ROUNDS_MS 300000
#define RUN_MS 60000
#define SWEEP_MS 60000
#define IDLE_MS 30000
#define OFF_MS 30000

LibvirtRig *
libvirt_expect_rig_of(const LibvirtRigOptions *options)
{
    g_autoptr(GError) error = NULL;
    char *why = libvirt_rig_why_not();
    if (vm_qemu_skip(why ? why : vm_qemu_why_not(VM_QEMU_HOST, false))) {
        return NULL;
    }
    LibvirtRig *rig = libvirt_rig_start(options, &error);
    g_assert_no_error(error);
    return rig;
}

LibvirtRig *
libvirt_expect_rig(void)
{
    return libvirt_expect_rig_of(NULL);
}

LibvirtRig *
libvirt_expect_root_rig(void)
{
    const LibvirtRigOptions options = {.qemu_user = "root"};
    return libvirt_expect_rig_of(&options);
}

LibvirtDomain *
libvirt_expect_domain(LibvirtRig *rig, const LibvirtDomainOptions *options)
{
    g_autoptr(GError) error = NULL;
    LibvirtDomain *domain = libvirt_domain_start(rig, "a", options, &error);
    g_assert_no_error(error);
    return domain;
}

void
libvirt_expect_plain_move(LibvirtDomain *domain, const char *from,
                          const char *const *flags)
{
    g_autoptr(GError) error = NULL;
    libvirt_domain_migrate(domain, from, flags, &error);
    g_assert_no_error(error);
    libvirt_expect_runs(domain, libvirt_rig_other(from));
}

void
libvirt_expect_postcopy(LibvirtDomain *domain, const char *from)
{
    g_autoptr(GError) error = NULL;
    libvirt_domain_migrate_postcopy(domain, from, &error);
    g_assert_no_error(error);
    libvirt_expect_runs(domain, libvirt_rig_other(from));
}

/* libvirt calls a domain "in shutdown" while it buries a QEMU that has ended,
 * and its pid file is gone by then. */
static void
expect_off(LibvirtDomain *domain, const char *host)
{
    uint64_t deadline = fd_deadline_ns(OFF_MS);
    g_autofree char *state = libvirt_domain_state(domain, host);
    while (g_strcmp0(state, "in shutdown") == 0 && fd_now_ns() < deadline) {
        g_usleep(50000);
        g_free(state);
        state = libvirt_domain_state(domain, host);
    }
    if (state) {
        g_assert_cmpstr(state, ==, "shut off");
    }
    g_assert_cmpint(libvirt_domain_pid(domain, host), ==, 0);
}

void
libvirt_expect_runs(LibvirtDomain *domain, const char *host)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *here = libvirt_domain_state(domain, host);
    g_assert_cmpstr(here, ==, "running");
    expect_off(domain, libvirt_rig_other(host));
    libvirt_domain_wait_rounds(domain, 2, ROUNDS_MS, &error);
    g_assert_no_error(error);
}

void
libvirt_expect_clean(LibvirtDomain *domain, const char *host)
{
    g_autoptr(GError) error = NULL;
    libvirt_domain_is_clean(domain, host, &error);
    g_assert_no_error(error);
}

static void
look(LibvirtDomain *domain, const char *host, uint64_t *huge, uint64_t *rss)
{
    g_autoptr(GError) error = NULL;
    libvirt_domain_huge(domain, host, huge, rss, &error);
    g_assert_no_error(error);
    g_test_message("host %s: %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT
                   " KiB are huge", host, *huge >> 10, *rss >> 10);
    g_assert_cmpuint(*rss, >, 0);
}

void
libvirt_expect_huge(LibvirtDomain *domain, const char *host, double percent)
{
    uint64_t huge = 0, rss = 0;
    look(domain, host, &huge, &rss);
    g_assert_cmpfloat((double)huge, >=, (double)rss * percent / 100);
}

void
libvirt_expect_small(LibvirtDomain *domain, const char *host,
                     uint64_t khugepaged_bytes)
{
    uint64_t huge = 0, rss = 0;
    look(domain, host, &huge, &rss);
    uint64_t by_khugepaged = khugepaged_made_bytes() - khugepaged_bytes;
    g_test_message("khugepaged: %" G_GUINT64_FORMAT " KiB",
                   by_khugepaged >> 10);
    g_assert_cmpuint(huge, <=, rss / 4 + by_khugepaged);
}

void
libvirt_expect_becomes_huge(LibvirtDomain *domain, const char *host,
                            double percent)
{
    uint64_t deadline = fd_deadline_ns(SWEEP_MS);
    uint64_t huge = 0, rss = 1;
    do {
        g_autoptr(GError) error = NULL;
        libvirt_domain_huge(domain, host, &huge, &rss, &error);
        g_assert_no_error(error);
        g_usleep(100000);
    } while ((double)huge < (double)rss * percent / 100 &&
             fd_now_ns() < deadline);
    libvirt_expect_huge(domain, host, percent);
}

static unsigned
count_tokens(LibvirtRig *rig, const char *host)
{
    g_autofree char *path = libvirt_rig_file(rig, host, "run/postlude");
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    unsigned n = 0;
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        n += strstr(name, "token") != NULL;
    }
    return n;
}

void
libvirt_expect_idle(LibvirtRig *rig, const char *host)
{
    uint64_t deadline = fd_deadline_ns(IDLE_MS);
    unsigned running;
    while ((running = libvirt_rig_count(rig, host, "postlude")) > 0 &&
           fd_now_ns() < deadline) {
        g_usleep(50000);
    }
    g_assert_cmpuint(running, ==, 0);
    g_assert_cmpuint(count_tokens(rig, host), ==, 0);
}

char *
libvirt_expect_run(LibvirtRig *rig, const char *host, const char *const *argv)
{
    g_autoptr(GError) error = NULL;
    char *output = NULL;
    libvirt_rig_run(rig, host, argv, RUN_MS, &output, &error);
    g_assert_no_error(error);
    return output;
}
