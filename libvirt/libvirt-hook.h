/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What the hook does about a domain whose QEMU has just been started, worked
 * out from its XML. Pure: nothing is started here, and nothing calls libvirt.
 */
#pragma once

#include <sys/types.h>

#include "libvirt/libvirt-metadata.h"

typedef enum {
    LIBVIRT_HOOK_NOTHING,
    LIBVIRT_HOOK_RECEIVE,  /* libvirt waits until the destination is armed */
    LIBVIRT_HOOK_COLLAPSE, /* in the background */
} LibvirtHookAction;

/* /etc/postlude/postlude.conf, a key file; what is not there is off.
 *   [libvirt]
 *   collapse-after-migration=yes   every guest that comes by libvirt's own
 *                                  migration is made huge again
 *   tls-creds=DIRECTORY            for 'receive --tls' */
typedef struct {
    bool collapse_after_migration;
    char *tls_creds;
} LibvirtHookConf;

void libvirt_hook_conf_clear(LibvirtHookConf *conf);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LibvirtHookConf, libvirt_hook_conf_clear)

/* TEXT may be NULL: no file. USAGE if it is not understood. */
bool libvirt_hook_conf_parse(const char *text, LibvirtHookConf *conf,
                             GError **error);

/* What its QEMU was started for. */
typedef enum {
    LIBVIRT_HOOK_BOOT,
    LIBVIRT_HOOK_INCOMING, /* it waits for a guest, migrated or saved */
    LIBVIRT_HOOK_DOUBT,    /* cannot be told */
} LibvirtHookStart;

typedef struct {
    LibvirtHookAction action;
    char *name, *monitor;
    LibvirtMetadata metadata;
    char *remark; /* for the log, or NULL */
} LibvirtHookPlan;

void libvirt_hook_plan_clear(LibvirtHookPlan *plan);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(LibvirtHookPlan, libvirt_hook_plan_clear)

/* NAME's XML, and what its QEMU was started for. False if the domain asks for
 * what cannot be done, or may ask for it: libvirt must not go on. A guest that
 * boots needs nothing of us, and is never refused. */
bool libvirt_hook_plan(const char *name, const char *xml,
                       LibvirtHookStart start, const LibvirtHookConf *conf,
                       LibvirtHookPlan *plan, GError **error);

/* What the operator may do when NAME was refused for nothing. Owned by the
 * caller. */
char *libvirt_hook_remedy(const char *name);

/* The XML of a saved guest that is restored: nobody sends its memory, so what a
 * migration left in there is taken out. NULL if nothing is (then without an
 * error), or if it cannot be understood. Owned by the caller. */
char *libvirt_hook_restored(const char *xml, GError **error);

typedef struct {
    const char *program;    /* postlude */
    const char *token_path; /* for RECEIVE */
    pid_t qemu;
    bool systemd; /* runs here: a unit and a cgroup of its own */
} LibvirtHookHost;

/* The command that carries PLAN out, NULL-terminated, owned by the caller. */
char **libvirt_hook_command(const LibvirtHookPlan *plan,
                            const LibvirtHookConf *conf,
                            const LibvirtHookHost *host);
