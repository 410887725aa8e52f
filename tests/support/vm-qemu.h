/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A QEMU for a test: described by a plain struct, started as a direct child
 * (so its pid is QEMU's), watched through its serial line and two monitors,
 * and gone without trace afterwards, however the test ends. Main thread only.
 *
 * Two QEMUs are known: the host's, and a QEMU 10 that lies in a Debian 13 root
 * (tests/support/get-qemu10.sh) and is run through that root's own dynamic
 * loader: no chroot and no mounts, so it sees the same /dev/shm, /dev/kvm and
 * sockets as the other. Its /proc/PID/exe is the loader.
 */
#pragma once

#include <stdint.h>

#include "qmp/qmp-client.h"
#include "tests/support/vm-child.h"

typedef enum {
    VM_QEMU_HOST, /* qemu-system-x86_64 of this host, or $POSTLUDE_QEMU */
    VM_QEMU_10,   /* of $POSTLUDE_QEMU10_ROOT */
} VmQemuVersion;

typedef enum {
    VM_MEMORY_FILE,
    VM_MEMORY_MEMFD,
    VM_MEMORY_RAM, /* anonymous; private unless SHARE */
} VmMemoryKind;

typedef struct {
    VmMemoryKind kind;
    unsigned mib;         /* 0 ends the list */
    bool private;         /* share=off, where KIND allows both */
    bool prealloc;
    bool unaligned;       /* leave align=2M away, which FILE has otherwise */
    const char *path;     /* FILE: mem-path; NULL: /dev/shm. In a directory
                             QEMU unlinks what it makes; a file is removed by
                             vm_qemu_free() */
    uint64_t hugetlb_bytes; /* MEMFD: hugetlb=on,hugetlbsize= */
} VmMemory;

#define VM_QEMU_MAX_MEMORY 4
/* Of a QEMU without a memory backend: ordinary, anonymous RAM. */
#define VM_QEMU_ORDINARY_MIB 256

typedef struct {
    VmQemuVersion version;
    bool kvm;            /* else TCG */
    const char *machine; /* "pc" if NULL */
    const char *name;    /* "guest" if NULL */
    const char *uuid;    /* a fixed one if NULL */
    unsigned vcpus;      /* 0: 1 */
    VmMemory memory[VM_QEMU_MAX_MEMORY]; /* more than one: NUMA nodes; none:
                                            VM_QEMU_ORDINARY_MIB */
    bool incoming;       /* -incoming defer */
    const char *kernel;  /* NULL: the witness; "": none */
    const char *initrd;
    const char *append;
    bool no_sandbox;     /* else -sandbox as libvirt sets it */
    uid_t uid;           /* 0: as the test */
    gid_t gid;
    const char *const *extra; /* further arguments, NULL-terminated, or NULL */
} VmQemuOptions;

typedef struct VmQemu VmQemu;

/* NULL if VERSION can run the witness here, under KVM or TCG; else why not and
 * what to do about it, owned by the caller. */
char *vm_qemu_why_not(VmQemuVersion version, bool kvm);

/* WHY (taken over) is what a test case lacks, or NULL. True if it is not:
 * the case is then marked as skipped, or as failed with TESTS_MUST_RUN=1, and
 * has to return. */
bool vm_qemu_skip(char *why);

/* Starts QEMU and waits until it answers on the test's monitor. The strings in
 * OPTIONS must live as long as the VM. On failure the message has QEMU's own
 * words. */
VmQemu *vm_qemu_start(const VmQemuOptions *options, GError **error);

/* Kills it (SIGKILL), reaps it, removes its files. */
void vm_qemu_free(VmQemu *vm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmQemu, vm_qemu_free)

VmChild *vm_qemu_child(VmQemu *vm);
pid_t vm_qemu_pid(const VmQemu *vm);
const VmQemuOptions *vm_qemu_options(const VmQemu *vm);

/* The monitor for the tool under test; nothing here touches it. */
const char *vm_qemu_tool_socket(const VmQemu *vm);

/* The test's own monitor. Owned by VM. */
QmpClient *vm_qemu_monitor(VmQemu *vm);

/* Runs COMMAND with the arguments ARGUMENTS, a JSON object as text or NULL;
 * the result is dropped. */
bool vm_qemu_command(VmQemu *vm, const char *command, const char *arguments,
                     GError **error);

const char *vm_qemu_serial_path(const VmQemu *vm);

/* What it printed so far. Owned by the caller; "" if nothing. */
char *vm_qemu_serial_text(const VmQemu *vm);
char *vm_qemu_stderr_text(const VmQemu *vm);

/* Waits for a whole serial line that contains TEXT. Fails with the end of
 * what was printed on time-out or when QEMU ends. */
bool vm_qemu_wait_serial(VmQemu *vm, const char *text, int timeout_ms,
                         GError **error);

/* Waits until query-status says STATE. */
bool vm_qemu_wait_state(VmQemu *vm, const char *state, int timeout_ms,
                        GError **error);

/* The arguments as QEMU is run, for messages; owned by the caller. */
char *vm_qemu_command_line(const VmQemuOptions *options);

/* The witness that was built with the tests, or NULL. */
const char *vm_qemu_witness(void);
