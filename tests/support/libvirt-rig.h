/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two hosts, "a" and "b", with a libvirt each, for the time of a test: what
 * tests/libvirt/rig.sh makes, which says how. Processes in there have numbers
 * of their own; all here are those of outside, unless said. Main thread only.
 */
#pragma once

#include "tests/support/vm-tool.h"

typedef struct LibvirtRig LibvirtRig;

/* NULL if there can be a rig here, else what is lacking; owned. */
char *libvirt_rig_why_not(void);

typedef struct {
    const char *qemu_user;    /* who QEMUs run as; NULL: Debian's libvirt-qemu */
    const char *without_hook; /* a host that has no hook of postlude, or NULL */
} LibvirtRigOptions;

/* Both hosts up, both daemons answering; OPTIONS may be NULL. "postlude" in
 * there is the program under test (vm_tool_path()), the hook that of this
 * build. */
LibvirtRig *libvirt_rig_start(const LibvirtRigOptions *options,
                              GError **error);

/* All that runs in there ends with it. */
void libvirt_rig_free(LibvirtRig *rig);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LibvirtRig, libvirt_rig_free)

/* The parent of the rig's first process: killed, it takes all with it. */
VmChild *libvirt_rig_child(LibvirtRig *rig);

/* "b" of "a", and "a" of "b"; the URI by which the one reaches HOST. */
const char *libvirt_rig_other(const char *host);
const char *libvirt_rig_uri(const char *host);

/* A file of HOST as it is seen from outside, "run/libvirt/qemu/x.pid",
 * "var/log/...", "libvirt/hooks/..." for /etc/libvirt; HOST "shared" is the
 * directory that has one path inside and outside. Owned. */
char *libvirt_rig_file(const LibvirtRig *rig, const char *host,
                       const char *name);

/* From now on the hook on HOST first runs SCRIPT, a piece of shell: $1 is the
 * domain, $2 and $3 the operation ("started begin"), the domain's XML is on
 * stdin, $hook the program that it goes on with, unless SCRIPT does so itself or
 * exits. NULL: no more. */
bool libvirt_rig_set_hook(LibvirtRig *rig, const char *host,
                          const char *script, GError **error);

/* Starts ARGV on HOST. To send it a signal: libvirt_rig_signal(); ended by
 * vm_tool_free() it dies as well. */
VmTool *libvirt_rig_start_on(LibvirtRig *rig, const char *host,
                             const char *const *argv, GError **error);
bool libvirt_rig_signal(VmTool *tool, int signal, GError **error);

/* Runs ARGV on HOST to its end, which has to be exit status 0. *OUTPUT (may be
 * NULL) gets its stdout, owned. */
bool libvirt_rig_run(LibvirtRig *rig, const char *host,
                     const char *const *argv, int timeout_ms, char **output,
                     GError **error);

/* The same of virsh with ARGUMENTS, without argv[0]; a minute is enough. */
bool libvirt_rig_virsh(LibvirtRig *rig, const char *host,
                       const char *const *arguments, char **output,
                       GError **error);

/* The process that has number INSIDE in there; 0 if there is none. */
pid_t libvirt_rig_pid(const LibvirtRig *rig, pid_t inside);

/* How many processes on HOST have a name that begins with NAME. */
unsigned libvirt_rig_count(const LibvirtRig *rig, const char *host,
                           const char *name);
