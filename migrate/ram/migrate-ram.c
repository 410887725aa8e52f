/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * QEMU's RAM blocks, their mappings and files: see migrate-ram.h.
 */
#include "migrate/ram/migrate-ram.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/printable.h"
#include "base/proc-maps.h"
#include "base/range.h"

void
migrate_ram_free(MigrateRam *ram)
{
    migrate_ram_unmap(ram);
    for (unsigned i = 0; i < ram->n_blocks; i++) {
        g_free(ram->blocks[i].name);
        fd_clear(&ram->blocks[i].file);
    }
    g_free(ram->blocks);
    g_free(ram);
}

/* The mapping at HVA, or NULL. */
static const ProcMapping *
mapping_at(GArray *maps, uint64_t hva)
{
    for (guint i = 0; i < maps->len; i++) {
        const ProcMapping *m = &g_array_index(maps, ProcMapping, i);
        if (hva >= m->start && hva < m->end) {
            return m;
        }
    }
    return NULL;
}

/* QEMU names the file of a directory back end qemu_back_mem.ID.XXXXXX, or with
 * canonical names qemu_back_mem._objects_ID.XXXXXX; a memfd is /memfd:memory-backend-memfd. */
static bool
path_fits(const char *path, const QmpRamBlock *block)
{
    if (g_strcmp0(block->kind, "memory-backend-memfd") == 0) {
        return g_str_has_prefix(path, "/memfd:");
    }
    g_autofree char *made = g_strdup_printf("/qemu_back_mem.%s.",
                                            block->backend);
    g_autofree char *full = g_strdup_printf("/qemu_back_mem._objects_%s.",
                                            block->backend);
    if (strstr(path, made) || strstr(path, full)) {
        return true;
    }
    size_t n = block->path ? strlen(block->path) : 0;
    return n > 0 && strncmp(path, block->path, n) == 0 &&
           (path[n] == '\0' || strcmp(path + n, " (deleted)") == 0);
}

/* Before QEMU 8.0 the monitor does not tell HVAs: the block is the one shared
 * mapping of its size whose file's name fits. */
static const ProcMapping *
mapping_by_size(GArray *maps, const QmpRamBlock *block, GError **error)
{
    const ProcMapping *found = NULL;
    for (guint i = 0; i < maps->len; i++) {
        const ProcMapping *m = &g_array_index(maps, ProcMapping, i);
        if (!m->shared || m->inode == 0 || m->end - m->start != block->bytes ||
            !path_fits(m->path, block)) {
            continue;
        }
        if (found) {
            error_set(error, ERROR_UNSUPPORTED,
                      "RAM block '%s': two mappings of QEMU look like it "
                      "(%s at 0x%" PRIx64 " and 0x%" PRIx64 "), and this QEMU "
                      "does not tell which is which; use memory-backend-file "
                      "with a distinct id per block",
                      block->name, m->path, found->start, m->start);
            return NULL;
        }
        found = m;
    }
    if (!found) {
        error_set(error, ERROR_UNSUPPORTED,
                  "RAM block '%s' (%" PRIu64 " MiB): no shared file mapping "
                  "of that size in QEMU; RAM must be "
                  "memory-backend-file,share=on on a tmpfs",
                  block->name, block->bytes >> 20);
    }
    return found;
}

static const ProcMapping *
find_mapping(GArray *maps, const QmpRamBlock *block, GError **error)
{
    if (block->hva == 0) {
        return mapping_by_size(maps, block, error);
    }
    const ProcMapping *m = mapping_at(maps, block->hva);
    if (!m || m->start != block->hva || m->end - m->start < block->bytes ||
        !m->shared || m->inode == 0) {
        error_set(error, ERROR_UNSUPPORTED,
                  "RAM block '%s' at 0x%" PRIx64 " is not one shared file "
                  "mapping of %" PRIu64 " MiB; RAM must be "
                  "memory-backend-file,share=on on a tmpfs",
                  block->name, block->hva, block->bytes >> 20);
        return NULL;
    }
    return m;
}

/* userfaultfd refuses a mapping that could never be written to. */
static bool
check_writable(const ProcMapping *m, const QmpRamBlock *block, GError **error)
{
    return m->writable ||
           error_set(error, ERROR_UNSUPPORTED,
                     "RAM block '%s' is mapped read-only, and nothing could "
                     "be brought to it; restart the guest once with "
                     "readonly=off for its memory backend '%s'",
                     block->name, block->backend);
}

static bool
is_file_of(const MigrateBlock *block, const struct stat *st)
{
    return st->st_ino == block->inode &&
           major(st->st_dev) == block->dev_major &&
           minor(st->st_dev) == block->dev_minor;
}

/* QEMU keeps the RAM file open, even when its name is long gone, so the way to
 * the inode is /proc/PID/fd; map_files would need CAP_SYS_ADMIN as well. */
static int
open_inode_of(pid_t pid, const MigrateBlock *block, bool writable,
              GError **error)
{
    g_autofree char *dir_path = g_strdup_printf("/proc/%d/fd", (int)pid);
    g_autoptr(GDir) dir = g_dir_open(dir_path, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *path = g_build_filename(dir_path, name, NULL);
        struct stat st;
        if (stat(path, &st) < 0 || !is_file_of(block, &st)) {
            continue;
        }
        int fd = open(path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
        if (fd < 0) {
            error_set_errno(error, errno, "open the file of RAM block '%s' "
                            "of QEMU %d",
                            block->name, (int)pid);
        }
        return fd;
    }
    error_set(error, ERROR_FAILED,
              "QEMU %d has no descriptor of the file of RAM block '%s' that we "
              "may open; run postlude as root or as QEMU's user with "
              "CAP_SYS_PTRACE",
              (int)pid, block->name);
    return -1;
}

static bool
fill_block(MigrateBlock *block, const QmpRamBlock *from, GArray *maps,
           pid_t pid, bool writable, GError **error)
{
    const ProcMapping *m = find_mapping(maps, from, error);
    if (!m || !check_writable(m, from, error)) {
        return false;
    }
    if (!range_is_aligned(from->bytes, PAGE_BYTES) ||
        from->bytes / EXTENT_BYTES >= UINT32_MAX) {
        return error_set(error, ERROR_UNSUPPORTED,
                         "RAM block '%s' has an impossible size of %" PRIu64
                         " bytes",
                         from->name, from->bytes);
    }
    block->name = g_strdup(from->name);
    block->bytes = from->bytes;
    block->pages = from->bytes / PAGE_BYTES;
    block->extents = (uint32_t)range_units(from->bytes, EXTENT_BYTES);
    block->hva = m->start;
    block->file_offset = m->offset;
    block->dev_major = m->dev_major;
    block->dev_minor = m->dev_minor;
    block->inode = m->inode;
    block->aligned = range_is_aligned(m->start, EXTENT_BYTES) &&
                     range_is_aligned(m->offset, EXTENT_BYTES);
    block->file = open_inode_of(pid, block, writable, error);
    return block->file >= 0;
}

MigrateRam *
migrate_ram_new(GArray *qmp_blocks, pid_t pid, bool writable, GError **error)
{
    g_autoptr(GArray) maps = proc_maps_read(pid, false, error);
    if (!maps) {
        return NULL;
    }
    g_autoptr(MigrateRam) ram = g_new0(MigrateRam, 1);
    ram->blocks = g_new0(MigrateBlock, MAX(qmp_blocks->len, 1));
    for (guint i = 0; i < qmp_blocks->len; i++) {
        const QmpRamBlock *from = &g_array_index(qmp_blocks, QmpRamBlock, i);
        if (!from->backend) {
            continue; /* private, so QEMU's own stream carries it: see
                         migrate-blocks.h */
        }
        MigrateBlock *block = &ram->blocks[ram->n_blocks];
        block->file = -1;
        ram->n_blocks++;
        if (!fill_block(block, from, maps, pid, writable, error)) {
            return NULL;
        }
        ram->bytes += block->bytes;
        ram->pages += block->pages;
        ram->extents += block->extents;
    }
    if (ram->n_blocks == 0 || ram->n_blocks > WIRE_MAX_BLOCKS) {
        error_set(error, ERROR_UNSUPPORTED,
                  "this guest has %u RAM blocks with a memory backend; "
                  "postlude moves 1 to %u",
                  ram->n_blocks, (unsigned)WIRE_MAX_BLOCKS);
        return NULL;
    }
    return g_steal_pointer(&ram);
}

bool
migrate_ram_reopen(MigrateRam *ram, pid_t pid, bool writable, GError **error)
{
    for (unsigned i = 0; i < ram->n_blocks; i++) {
        MigrateBlock *block = &ram->blocks[i];
        if (block->file < 0) {
            block->file = open_inode_of(pid, block, writable, error);
        }
        if (block->file < 0) {
            return false;
        }
    }
    return true;
}

bool
migrate_ram_adopt_file(MigrateRam *ram, int fd)
{
    autofd taken = fd;
    struct stat st;
    for (unsigned i = 0; i < ram->n_blocks; i++) {
        if (fstat(taken, &st) == 0 && ram->blocks[i].file < 0 &&
            is_file_of(&ram->blocks[i], &st)) {
            ram->blocks[i].file = fd_steal(&taken);
            return true;
        }
    }
    return false;
}

/* A shared file mapping lands at any page; huge pages in our view want it at a
 * multiple of 2 MiB, so room is reserved first. */
static bool
map_block(MigrateBlock *block, int protection, GError **error)
{
    size_t room = block->bytes + EXTENT_BYTES;
    uint8_t *reserved = mmap(NULL, room, PROT_NONE,
                             MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
                             0);
    if (reserved == MAP_FAILED) {
        return error_set_errno(error, errno, "reserve %zu bytes", room);
    }
    uint64_t skip = (EXTENT_BYTES - (uintptr_t)reserved % EXTENT_BYTES) %
                    EXTENT_BYTES;
    uint8_t *view = reserved + skip;
    if (mmap(view, block->bytes, protection, MAP_SHARED | MAP_FIXED,
             block->file, (off_t)block->file_offset) == MAP_FAILED) {
        error_set_errno(error, errno, "map RAM block '%s'", block->name);
        munmap(reserved, room);
        return false;
    }
    if (skip > 0) {
        munmap(reserved, skip);
    }
    munmap(view + block->bytes, room - skip - block->bytes);
    block->view = view;
    return true;
}

bool
migrate_ram_map(MigrateRam *ram, bool writable, GError **error)
{
    for (unsigned i = 0; i < ram->n_blocks; i++) {
        if (!map_block(&ram->blocks[i],
                       writable ? PROT_READ | PROT_WRITE : PROT_READ, error)) {
            migrate_ram_unmap(ram);
            return false;
        }
    }
    return true;
}

void
migrate_ram_unmap(MigrateRam *ram)
{
    for (unsigned i = 0; i < ram->n_blocks; i++) {
        if (ram->blocks[i].view) {
            munmap(ram->blocks[i].view, ram->blocks[i].bytes);
            ram->blocks[i].view = NULL;
        }
    }
}

unsigned
migrate_ram_extent_pages(const MigrateBlock *block, uint32_t extent)
{
    uint64_t first = (uint64_t)extent * PAGES_PER_EXTENT;
    return (unsigned)MIN(block->pages - first, PAGES_PER_EXTENT);
}

void
migrate_ram_forget(const MigrateBlock *block, uint32_t extent)
{
    madvise(block->view + extent * EXTENT_BYTES,
            migrate_ram_extent_pages(block, extent) * PAGE_BYTES,
            MADV_DONTNEED);
}

uint8_t *
migrate_ram_data_extents(const MigrateBlock *block, GError **error)
{
    g_autofree uint8_t *bitmap = g_malloc0((block->extents + 7) / 8);
    off_t end = (off_t)(block->file_offset + block->bytes);
    off_t at = (off_t)block->file_offset;
    while (at < end) {
        at = lseek(block->file, at, SEEK_DATA);
        if (at < 0 && errno == ENXIO) {
            break; /* nothing but a hole up to the end */
        }
        if (at < 0) {
            error_set_errno(error, errno, "SEEK_DATA in RAM block '%s'",
                            block->name);
            return NULL;
        }
        if (at >= end) {
            break;
        }
        uint64_t extent = ((uint64_t)at - block->file_offset) / EXTENT_BYTES;
        bitmap[extent / 8] |= (uint8_t)(1u << (extent % 8));
        at = (off_t)(block->file_offset + (extent + 1) * EXTENT_BYTES);
    }
    return g_steal_pointer(&bitmap);
}

static void
uuid_bytes(const char *text, uint8_t out[16])
{
    memset(out, 0, 16);
    unsigned nibble = 0;
    for (; text && *text && nibble < 32; text++) {
        if (g_ascii_isxdigit(*text)) {
            out[nibble / 2] |= (uint8_t)(g_ascii_xdigit_value(*text)
                                         << (nibble % 2 ? 0 : 4));
            nibble++;
        }
    }
}

/* For the other side's operator to read; a source refuses one that is more than
 * a name. Cut where a character ends. */
static void
fill_name(const char *name, char *out, size_t room)
{
    g_autofree char *printable = printable_line(name);
    const char *end;
    g_strlcpy(out, printable, room);
    g_utf8_validate(out, -1, &end);
    out[end - out] = '\0';
}

void
migrate_ram_to_layout(const MigrateRam *ram, const QmpIdentity *identity,
                      unsigned streams, WireLayout *layout)
{
    *layout = (WireLayout){.page_bytes = PAGE_BYTES,
                           .streams = (uint16_t)streams,
                           .n_blocks = ram->n_blocks};
    uuid_bytes(identity->uuid, layout->uuid);
    fill_name(identity->name, layout->name, sizeof layout->name);
    layout->blocks = g_new0(WireLayoutBlock, ram->n_blocks);
    for (unsigned i = 0; i < ram->n_blocks; i++) {
        layout->blocks[i].bytes = ram->blocks[i].bytes;
        g_strlcpy(layout->blocks[i].name, ram->blocks[i].name,
                  sizeof layout->blocks[i].name);
    }
}

bool
migrate_ram_matches(const MigrateRam *ram, const WireLayout *peer,
                    GError **error)
{
    if (peer->page_bytes != PAGE_BYTES) {
        return error_set(error, ERROR_STATE,
                         "the destination's RAM has pages of %u bytes, the "
                         "source's %u",
                         peer->page_bytes, (unsigned)PAGE_BYTES);
    }
    if (peer->n_blocks != ram->n_blocks) {
        return error_set(error, ERROR_STATE,
                         "the destination has %u RAM blocks, the source %u; "
                         "start both QEMUs with the same memory options",
                         peer->n_blocks, ram->n_blocks);
    }
    for (unsigned i = 0; i < ram->n_blocks; i++) {
        const MigrateBlock *ours = &ram->blocks[i];
        const WireLayoutBlock *theirs = &peer->blocks[i];
        if (strcmp(ours->name, theirs->name) != 0 ||
            ours->bytes != theirs->bytes) {
            return error_set(error, ERROR_STATE,
                             "RAM block %u is '%s' of %" PRIu64 " MiB on the "
                             "source and '%s' of %" PRIu64 " MiB on the "
                             "destination; start both QEMUs with the same "
                             "memory options",
                             i, ours->name, ours->bytes >> 20, theirs->name,
                             theirs->bytes >> 20);
        }
    }
    return true;
}
