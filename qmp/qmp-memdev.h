/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Devices that use a memory backend: whoever has a property that links to one
 * (memdev of pc-dimm, nvdimm, virtio-mem, virtio-pmem and ivshmem-plain, pmrdev
 * of nvme, three of cxl-type3...). The machine and NUMA nodes use backends as
 * well and are no devices: they are not listed.
 */
#pragma once

#include "qmp/qmp-client.h"

typedef struct {
    char *backend;  /* id of the memory backend */
    char *type;     /* QOM type of the device, "virtio-mem-pci" */
    char *path;     /* in QEMU's object tree, "/machine/peripheral/vmem0" */
    char *id;       /* the device's id; NULL if it was given none */
} QmpMemdev;

void qmp_memdev_clear(QmpMemdev *memdev);

/* All that are plugged in: GArray of QmpMemdev that clears its elements. Asks
 * QEMU once for each device and each link. */
GArray *qmp_memdev_list(QmpClient *client, GError **error);

/* The one that uses the backend ID, or NULL. */
const QmpMemdev *qmp_memdev_find(const GArray *memdevs, const char *id);
