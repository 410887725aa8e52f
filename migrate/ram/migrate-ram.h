/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The RAM that we move: QEMU's blocks matched with its mappings and with the
 * files behind them, and the question whether both hosts mean the same.
 * Built on the main thread before anything moves; read-only afterwards but
 * for the views.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "qmp/qmp-qemu.h"
#include "wire/wire-frame.h"

struct MigratePlacer;
struct MigrateRamSource;

typedef struct {
    char *name;           /* QEMU's name of the block */
    uint64_t bytes;
    uint64_t pages;
    uint32_t extents;     /* the last may be short */
    uint64_t hva;         /* where QEMU maps it */
    uint64_t file_offset; /* of the block in its file */
    unsigned dev_major, dev_minor;
    uint64_t inode;
    int file;             /* our descriptor of the RAM file */
    uint8_t *view;        /* our own mapping, or NULL; 2 MiB aligned */
    bool aligned;         /* huge pages are possible at this HVA */
    /* How it is filled (migrate-placer.h); NULL: as a file, mapped shared. */
    const struct MigratePlacer *placer;
    const struct MigrateRamSource *source; /* how it is read; NULL: likewise */
} MigrateBlock;

typedef struct {
    MigrateBlock *blocks;
    unsigned n_blocks;
    uint64_t bytes, pages, extents;
} MigrateRam;

/* Takes QEMU's blocks (from qmp_qemu_ram_blocks) that are ours to move, finds
 * each in PID's mappings and opens the file behind it (WRITABLE on the
 * destination). UNSUPPORTED with a remedy for every block that cannot be
 * moved; see migrate_check_ram() for the list. */
MigrateRam *migrate_ram_new(GArray *qmp_blocks, pid_t pid, bool writable,
                            GError **error);
void migrate_ram_free(MigrateRam *ram);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MigrateRam, migrate_ram_free)

/* Opens the files of blocks whose place and inode are known, but not more:
 * through PID, which has them open. */
bool migrate_ram_reopen(MigrateRam *ram, pid_t pid, bool writable,
                        GError **error);

/* Takes FD (over) for the block whose file it is; false, and closed, if it is
 * the file of none, or of one that is open already. */
bool migrate_ram_adopt_file(MigrateRam *ram, int fd);

/* Maps every block into our own address space, shared and 2 MiB aligned. */
bool migrate_ram_map(MigrateRam *ram, bool writable, GError **error);
void migrate_ram_unmap(MigrateRam *ram);

/* Gives the view of EXTENT back to the kernel: the pages stay in the file,
 * only our page tables (and our resident size) forget them. */
void migrate_ram_forget(const MigrateBlock *block, uint32_t extent);

/* Pages of EXTENT: PAGES_PER_EXTENT but for a short last one. */
unsigned migrate_ram_extent_pages(const MigrateBlock *block, uint32_t extent);

/* Bitmap, one bit an extent, of those that hold data in the file
 * (SEEK_DATA); owned by the caller. */
uint8_t *migrate_ram_data_extents(const MigrateBlock *block, GError **error);

/* Ours as LAYOUT, and whether the peer's is the same: STATE says which block
 * differs and how. */
void migrate_ram_to_layout(const MigrateRam *ram, const QmpIdentity *identity,
                           unsigned streams, WireLayout *layout);
bool migrate_ram_matches(const MigrateRam *ram, const WireLayout *peer,
                         GError **error);
