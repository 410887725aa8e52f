/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The dozen QEMU commands we use, typed. Blocking, on the thread that owns
 * the client. Versions: QEMU 7.2 to 10.x. Errors are qmp_client_execute()'s
 * (FAILED with QEMU's words, VM_GONE, RETRY...), and PROTOCOL for a reply that
 * is not what these versions give.
 */
#pragma once

#include <stdint.h>

#include "qmp/qmp-client.h"

typedef struct {
    char *name;  /* "" if the VM has none */
    char *uuid;  /* all zeros if it has none */
} QmpIdentity;

void qmp_identity_clear(QmpIdentity *identity);
bool qmp_qemu_identity(QmpClient *client, QmpIdentity *identity,
                       GError **error);

/* query-status: "running", "paused", "inmigrate", "postmigrate"...; owned. */
char *qmp_qemu_run_state(QmpClient *client, GError **error);

/* query-migrate: status ("none", "setup", "active", "completed", "failed"...)
 * owned by the caller; DETAIL (may be NULL) gets error-desc or NULL. */
char *qmp_qemu_migration_status(QmpClient *client, char **detail,
                                GError **error);

/* query-migrate: how many pages of RAM, zero pages too, went with the last
 * migration from here; -1 if that is not "completed", or there was none. */
bool qmp_qemu_carried_pages(QmpClient *client, gint64 *pages, GError **error);

/* One capability as it stands; false with UNSUPPORTED if QEMU has no such. */
bool qmp_qemu_get_capability(QmpClient *client, const char *name, bool *on,
                             GError **error);
/* The first of NAMES (NULL at the end) that is off, in *OFF, or NULL; one
 * question for all of them. */
bool qmp_qemu_find_capability_off(QmpClient *client, const char *const *names,
                                  const char **off, GError **error);
/* FAILED if QEMU has it and refuses to change it (it clashes with another
 * one, or a migration runs). */
bool qmp_qemu_set_capability(QmpClient *client, const char *name, bool on,
                             GError **error);

/* One integer migration parameter (bytes/s, ms); UNSUPPORTED if there is no
 * such. */
bool qmp_qemu_get_parameter(QmpClient *client, const char *name,
                            gint64 *value, GError **error);
bool qmp_qemu_set_parameter(QmpClient *client, const char *name, gint64 value,
                            GError **error);

bool qmp_qemu_migrate(QmpClient *client, const char *uri, GError **error);
bool qmp_qemu_migrate_incoming(QmpClient *client, const char *uri,
                               GError **error);
/* From pre-switchover only; STATE at any other moment. */
bool qmp_qemu_migrate_continue(QmpClient *client, GError **error);
bool qmp_qemu_migrate_cancel(QmpClient *client, GError **error);
/* Wakes a migration that is "cancelling" and does not know it: QEMU (seen in
 * 7.2) waits for migrate-continue for ever if the cancel came between its STOP
 * and its pre-switchover. STATE if it is not cancelling. */
bool qmp_qemu_migrate_cancel_again(QmpClient *client, GError **error);
/* While "inmigrate", this decides that the guest will be paused, not running,
 * when it has arrived; the run state and the events say nothing of it. */
bool qmp_qemu_stop(QmpClient *client, GError **error);
bool qmp_qemu_cont(QmpClient *client, GError **error);

/* A block of QEMU's RAM: one that its migration stream would carry, or one that
 * it would not know (no name) and that a device has from a memory backend. */
typedef struct {
    char *name;        /* x-query-ramblock's, which is the same on both hosts;
                        * "" if the block has none (virtio-pmem) */
    uint64_t bytes;    /* used length */
    uint64_t max_bytes; /* what is mapped for it */
    uint64_t hva;      /* 0 if this QEMU does not tell (before 8.0), or if it
                        * has no name */
    char *backend;     /* id of the memory backend object, or NULL */
    char *kind;        /* the backend's QOM type, "memory-backend-file",
                        * "memory-backend-memfd", "memory-backend-ram" or one
                        * we never heard of; or NULL */
    char *path;        /* mem-path of a file backend (a file, or a directory
                        * in which QEMU made one), or NULL */
    bool share;
    bool prealloc;
    uint64_t align;    /* the backend's align property, 0: default */
    char *device;      /* QOM type of the device whose backend it is,
                        * "virtio-mem-pci", or NULL. Of a DIMM only told where
                        * the backend alone is no answer: see
                        * qmp_qemu_ram_blocks() */
    char *device_id;   /* the id it was given, or NULL */
    bool device_prealloc; /* virtio-mem's own property */
} QmpRamBlock;

void qmp_ram_block_clear(QmpRamBlock *block);

/* All RAM blocks that matter (x-query-ramblock, QEMU 6.2), joined with the
 * memory backends (qom-list and qom-get on /objects) and, when there is a
 * backend that is not shared or that no block is simply called after, with the
 * devices that use one: GArray of QmpRamBlock that clears its elements. Plain
 * -m has a backend too: QEMU makes a "memory-backend-ram" called "pc.ram".
 *
 * A block is called ID or /objects/ID after its backend where the machine, a
 * NUMA node, a pc-dimm or an nvdimm uses it, and 0000:00:01.0/ID (bus path of
 * the device, then the same) where a PCI device does: virtio-mem, ivshmem.
 * virtio-pmem's have no name. Blocks with backend == NULL are QEMU's own (ROMs,
 * video RAM) or shared memory that came another way (ivshmem-doorbell): the
 * list does not say which. UNSUPPORTED if two blocks may be one backend's.
 *
 * To be called again whenever what it said may have changed; the order is
 * QEMU's, so equal guests give equal lists. */
GArray *qmp_qemu_ram_blocks(QmpClient *client, GError **error);

/* The same with names, bytes and HVAs only: one command, for who looks again. */
GArray *qmp_qemu_list_ram_blocks(QmpClient *client, GError **error);

/* The text of x-query-ramblock to blocks with name, bytes and hva; pure,
 * fuzzed. Unnamed blocks (a backend that nothing uses) are left out. NULL if
 * a line is not understood: a block overlooked would be memory lost. */
GArray *qmp_qemu_parse_ram_blocks(const char *text);

/* True if a device whose QOM type starts with one of the NULL-terminated
 * PREFIXES ("vfio-", "vhost-user-") is plugged in; *FOUND is its type. False
 * with no error set if there is none, false with *ERROR if QEMU could not be
 * asked: look at ERROR before you trust a false.
 * Sees what -device and device_add made, what the board made, objects of
 * -object, and network back ends, whose kind is given "-netdev" as an ending
 * ("vhost-user-netdev", "tap-netdev"). Does not see: which device a chardev
 * serves, block back ends (-blockdev, vhost-user-blk exports), helpers that
 * share RAM with QEMU and are no device of it: look at who maps the RAM file
 * as well. */
bool qmp_qemu_find_device(QmpClient *client, const char *const *prefixes,
                          char **found, GError **error);

/* Gives QEMU a copy of FD through add-fd; *REMOTE_FD is its number inside
 * QEMU (seen on 7.2 and 10.0: the very number in /proc/PID/fd), *FDSET what
 * qmp_qemu_remove_fdset() takes to close it again. 7.2 closes it by itself
 * when the last QMP client leaves while the guest runs; 10.0 never does. */
bool qmp_qemu_add_fd(QmpClient *client, int fd, int *fdset, int *remote_fd,
                     GError **error);
/* 10.0 closes at once. 7.2 does so only while the guest runs; before that it
 * remembers, and closes when the guest runs and a QMP client leaves. */
bool qmp_qemu_remove_fdset(QmpClient *client, int fdset, GError **error);

/* Gives QEMU a copy of FD under NAME, for URIs like "fd:NAME" on this same
 * monitor; QEMU takes it out of the list when it is used. */
bool qmp_qemu_getfd(QmpClient *client, int fd, const char *name,
                    GError **error);
bool qmp_qemu_closefd(QmpClient *client, const char *name, GError **error);
