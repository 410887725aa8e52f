/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A libvirt guest, from the files that libvirt keeps while it runs:
 * /run/libvirt/qemu/NAME.pid and NAME.xml (the status XML, rewritten at every
 * change of state or job). No libvirt library, no connection; root only.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct {
    pid_t pid;
    char *monitor;  /* a monitor of its own in <qemu:commandline>, or NULL:
                     * libvirt's monitor takes one client, and that is libvirt */
    char *job;      /* the asynchronous job: "none", "migration in", ... */
} MigrateDomain;

void migrate_domain_clear(MigrateDomain *domain);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MigrateDomain, migrate_domain_clear)

/* The status XML to a MigrateDomain; false if it is not one. Pure. */
bool migrate_domain_parse(const char *xml, MigrateDomain *domain,
                          GError **error);

/* The running domain NAME. VM_GONE if it does not run on this host. The
 * directory is $POSTLUDE_LIBVIRT_RUN or /run/libvirt/qemu. */
bool migrate_domain_read(const char *name, MigrateDomain *domain,
                         GError **error);
