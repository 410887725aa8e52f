/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The judgement about QEMU's RAM blocks: see migrate-blocks.h.
 */
#include "migrate/check/migrate-blocks.h"

#include <inttypes.h>
#include <string.h>

#include "base/proc-maps.h"
#include "base/range.h"
#include "migrate/core/migrate-findings.h"
#include "qmp/qmp-qemu.h"

/* What is judged, and what by. */
typedef struct {
    QmpClient *client;
    const GArray *blocks;   /* QmpRamBlock */
    const GArray *mappings; /* ProcMapping */
    GPtrArray *findings;
} Judge;

static bool
is_before(QmpClient *client, int major, int minor)
{
    int have_major, have_minor, micro;
    qmp_client_version(client, &have_major, &have_minor, &micro);
    return have_major < major || (have_major == major && have_minor < minor);
}

static bool
is_kind(const QmpRamBlock *block, const char *kind)
{
    return g_strcmp0(block->kind, kind) == 0;
}

static bool
is_of(const QmpRamBlock *block, const char *device)
{
    return block->device && g_str_has_prefix(block->device, device);
}

/* "pc-dimm 'd0'", "a pc-dimm" */
static char *
device_words(const QmpRamBlock *block)
{
    return block->device_id
               ? g_strdup_printf("%s '%s'", block->device, block->device_id)
               : g_strdup_printf("device %s without an id", block->device);
}

static char *
unplug_words(const QmpRamBlock *block)
{
    return block->device_id
               ? g_strdup_printf("unplug it before the move (QMP: device_del "
                                 "%s)",
                                 block->device_id)
               : g_strdup("restart the guest once without it");
}

static char *
size_words(uint64_t bytes)
{
    return bytes % (1 << 20)
               ? g_strdup_printf("%" PRIu64, bytes)
               : g_strdup_printf("%" PRIu64 "M", bytes >> 20);
}

/* How the block's memory has to be made. A backend that somebody named keeps
 * its name; the one that QEMU makes for plain -m ("pc.ram") cannot be named. */
static char *
backend_remedy(const QmpRamBlock *block)
{
    g_autofree char *size = size_words(block->bytes);
    bool made = !block->backend || g_str_has_suffix(block->backend, ".ram");
    g_autofree char *object = g_strdup_printf(
        "-object memory-backend-file,id=%s,share=on,align=2M,"
        "mem-path=/dev/shm,size=%s",
        made ? "ram0" : block->backend, size);
    if (block->device) {
        g_autofree char *unplug = unplug_words(block);
        return g_strdup_printf("%s, or give it %s instead", unplug, object);
    }
    return made ? g_strdup_printf("restart the guest once with %s and "
                                  "-machine memory-backend=ram0",
                                  object)
                : g_strdup_printf("restart the guest once with %s in the "
                                  "place of -object %s,id=%s",
                                  object, block->kind, block->backend);
}

static void
blocks_missing(const Judge *judge, const char *remedy, char *what)
{
    migrate_findings_add(judge->findings, MIGRATE_CHECK_MISSING, remedy, "%s",
                         what);
    g_free(what);
}

/* The devices whose memory is a RAM block of the guest as any other. */
static bool
is_known_device(const QmpRamBlock *block)
{
    return !block->device || is_of(block, "pc-dimm") ||
           is_of(block, "nvdimm") || is_of(block, "virtio-mem");
}

static void
refuse_device(const Judge *judge, const QmpRamBlock *block)
{
    g_autofree char *who = device_words(block);
    g_autofree char *unplug = unplug_words(block);
    if (is_of(block, "ivshmem")) {
        blocks_missing(
            judge, unplug,
            g_strdup_printf("RAM block '%s' of %s is shared with other "
                            "processes on this host, which do not move "
                            "with the guest",
                            block->name, who));
    } else if (block->name[0] == '\0') {
        blocks_missing(
            judge, unplug,
            g_strdup_printf("the memory of %s (memory backend '%s') is "
                            "not part of QEMU's migration: the guest "
                            "would find other contents",
                            who, block->backend));
    } else {
        blocks_missing(
            judge, unplug,
            g_strdup_printf("RAM block '%s' is memory of %s, a kind of "
                            "device whose memory postlude does not know "
                            "how to move",
                            block->name, who));
    }
}

static void
refuse_kind(const Judge *judge, const QmpRamBlock *block)
{
    g_autofree char *remedy = backend_remedy(block);
    blocks_missing(
        judge, remedy,
        g_strdup_printf("RAM block '%s' (%s) is %s memory of QEMU, which "
                        "no other process can fill",
                        block->name, block->kind,
                        block->share ? "nameless" : "private"));
}

static void
refuse_memfd(const Judge *judge, const QmpRamBlock *block)
{
    g_autofree char *remedy = backend_remedy(block);
    blocks_missing(
        judge, remedy,
        g_strdup_printf("RAM block '%s' is a memfd, which QEMU from 8.1 on "
                        "would send itself (it skips only "
                        "memory-backend-file)",
                        block->name));
}

static void
refuse_prealloc(const Judge *judge, const QmpRamBlock *block)
{
    g_autofree char *remedy =
        block->prealloc
            ? g_strdup_printf("restart the guest once with prealloc=off for "
                              "its memory backend '%s'",
                              block->backend)
            : g_strdup_printf("restart the guest once with prealloc=off for "
                              "its -device %s",
                              block->device);
    blocks_missing(
        judge, remedy,
        g_strdup_printf("RAM block '%s' is preallocated: its pages are "
                        "mapped before they have arrived, and the guest "
                        "would read zeros",
                        block->name));
}

static void
judge_ours(const Judge *judge, const QmpRamBlock *block)
{
    bool memfd = is_kind(block, "memory-backend-memfd");
    if (block->name[0] == '\0' || !is_known_device(block)) {
        refuse_device(judge, block);
    } else if (!block->share ||
               (!memfd && !is_kind(block, "memory-backend-file"))) {
        refuse_kind(judge, block);
    } else if (memfd && !is_before(judge->client, 8, 1)) {
        refuse_memfd(judge, block);
    } else if (block->prealloc || block->device_prealloc) {
        refuse_prealloc(judge, block);
    } else {
        migrate_findings_add(judge->findings, MIGRATE_CHECK_OK, NULL,
                             "RAM block '%s': %s, shared, %" PRIu64 " MiB",
                             block->name, block->kind, block->bytes >> 20);
    }
}

/* Memory that could be a RAM block: not a ring or a CPU of /dev/kvm
 * (anon_inode:), not a device. */
static bool
is_ram_like(const ProcMapping *m)
{
    return m->shared && m->inode != 0 && m->path[0] == '/' &&
           (!g_str_has_prefix(m->path, "/dev/") ||
            g_str_has_prefix(m->path, "/dev/shm/") ||
            g_str_has_prefix(m->path, "/dev/zero") ||
            g_str_has_prefix(m->path, "/dev/hugepages"));
}

/* All of these are in /objects, and so accounted for by their names. */
static bool
is_of_a_backend(const Judge *judge, const ProcMapping *m)
{
    if (strstr(m->path, "/qemu_back_mem.") ||
        g_str_has_prefix(m->path, "/memfd:memory-backend-memfd")) {
        return true;
    }
    for (guint i = 0; i < judge->blocks->len; i++) {
        const QmpRamBlock *block =
            &g_array_index(judge->blocks, QmpRamBlock, i);
        if (block->path && g_str_has_prefix(m->path, block->path)) {
            return true;
        }
    }
    return false;
}

/* Before QEMU 8.0 no address is told. A block is mapped as a whole, so shared
 * memory of just its size that no backend has may be it. */
static bool
may_be(const Judge *judge, const QmpRamBlock *block, const ProcMapping *m)
{
    uint64_t bytes = range_round_down(block->max_bytes + PAGE_BYTES - 1,
                                      PAGE_BYTES);
    return is_ram_like(m) && m->end - m->start == bytes &&
           !is_of_a_backend(judge, m);
}

/* The shared mapping of a block that has no backend, or NULL: then it is
 * private, and QEMU's own stream carries it. */
static const ProcMapping *
shared_mapping(const Judge *judge, const QmpRamBlock *block)
{
    for (guint i = 0; i < judge->mappings->len; i++) {
        const ProcMapping *m =
            &g_array_index(judge->mappings, ProcMapping, i);
        bool there = block->hva ? m->shared && m->start < block->hva +
                                                    block->max_bytes &&
                                      m->end > block->hva
                                : may_be(judge, block, m);
        if (there) {
            return m;
        }
    }
    return NULL;
}

/* True if QEMU carries it. */
static bool
judge_others(const Judge *judge, const QmpRamBlock *block)
{
    const ProcMapping *m = shared_mapping(judge, block);
    if (m) {
        blocks_missing(
            judge,
            "unplug the device whose memory it is (ivshmem-doorbell?), or "
            "restart the guest once without it",
            g_strdup_printf("RAM block '%s' %s shared memory (%s) that no "
                            "memory backend of QEMU has: neither QEMU nor "
                            "postlude would move it",
                            block->name, block->hva ? "is" : "may be",
                            m->path));
    }
    return m == NULL;
}

static void
say_nothing_is_ours(const Judge *judge)
{
    QmpRamBlock largest = {0};
    for (guint i = 0; i < judge->blocks->len; i++) {
        const QmpRamBlock *block =
            &g_array_index(judge->blocks, QmpRamBlock, i);
        largest = block->bytes > largest.bytes ? *block : largest;
    }
    g_autofree char *remedy = backend_remedy(&largest);
    blocks_missing(judge, remedy,
                   g_strdup("QEMU has no RAM block with a memory backend"));
}

void
migrate_blocks_judge(QmpClient *client, const GArray *qmp_blocks,
                     const GArray *mappings, GPtrArray *findings)
{
    const Judge judge = {client, qmp_blocks, mappings, findings};
    unsigned ours = 0, carried = 0;
    for (guint i = 0; i < qmp_blocks->len; i++) {
        const QmpRamBlock *block = &g_array_index(qmp_blocks, QmpRamBlock, i);
        if (block->backend) {
            judge_ours(&judge, block);
            ours++;
        } else {
            carried += judge_others(&judge, block);
        }
    }
    if (ours == 0) {
        say_nothing_is_ours(&judge);
    } else if (carried > 0) {
        migrate_findings_add(findings, MIGRATE_CHECK_OK, NULL,
                             "%u other RAM blocks (ROMs, video RAM) are "
                             "private: QEMU carries them",
                             carried);
    }
}

void
migrate_blocks_check(QmpClient *client, const GArray *qmp_blocks, pid_t pid,
                     GPtrArray *findings)
{
    g_autoptr(GError) why = NULL;
    g_autoptr(GArray) mappings = proc_maps_read(pid, false, &why);
    if (mappings) {
        migrate_blocks_judge(client, qmp_blocks, mappings, findings);
    } else {
        migrate_findings_add(findings, MIGRATE_CHECK_MISSING,
                             "run postlude as root, and name QEMU's process "
                             "with --pid",
                             "QEMU's mappings cannot be read: %s",
                             why->message);
    }
}
