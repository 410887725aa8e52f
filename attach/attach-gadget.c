/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Finding code in a running process: see attach-gadget.h.
 */
#include "attach/attach-gadget.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "base/error.h"
#include "base/proc-maps.h"

#define CHUNK_BYTES ((size_t)64 << 10)
#define OVERLAP_BYTES ((size_t)16) /* longer than any pattern */

bool
attach_gadget_peek(pid_t pid, uint64_t hva, void *into, size_t bytes)
{
    struct iovec local = {into, bytes};
    struct iovec remote = {(void *)(uintptr_t)hva, bytes};
    return process_vm_readv(pid, &local, 1, &remote, 1, 0) == (ssize_t)bytes;
}

/* Anonymous and writable code (a JIT's: QEMU's TCG has one) may be gone or
 * changed the moment after we looked. */
static bool
is_lasting_code(const ProcMapping *m)
{
    return m->executable && m->readable && !m->writable &&
           (m->inode != 0 || strcmp(m->path, "[vdso]") == 0);
}

/* "libc.so.6", "libc-2.31.so", "ld-musl-x86_64.so.1". */
static bool
is_libc(const ProcMapping *m)
{
    const char *slash = strrchr(m->path, '/');
    return slash && (g_str_has_prefix(slash, "/libc.so") ||
                     g_str_has_prefix(slash, "/libc-") ||
                     g_str_has_prefix(slash, "/ld-musl"));
}

static bool
is_complete(const AttachGadgets *found)
{
    return found->call && found->sigreturn;
}

static void
search_mapping(pid_t pid, const ProcMapping *m, uint8_t *chunk,
               AttachGadgets *found)
{
    for (uint64_t at = m->start; at < m->end && !is_complete(found);) {
        size_t bytes = (size_t)MIN(m->end - at, CHUNK_BYTES);
        /* A hole in the file (a page beyond its end) is no reason to stop
         * looking elsewhere. */
        if (attach_gadget_peek(pid, at, chunk, bytes)) {
            attach_arch_search(chunk, bytes, at, found);
        }
        at += bytes == CHUNK_BYTES ? bytes - OVERLAP_BYTES : bytes;
    }
}

bool
attach_gadget_find(pid_t pid, AttachGadgets *found, GError **error)
{
    *found = (AttachGadgets){0};
    g_autoptr(GArray) maps = proc_maps_read(pid, false, error);
    if (!maps) {
        return false;
    }
    uint8_t probe;
    g_autofree uint8_t *chunk = g_malloc(CHUNK_BYTES);
    for (int pass = 0; pass < 2; pass++) {
        for (guint i = 0; i < maps->len && !is_complete(found); i++) {
            const ProcMapping *m = &g_array_index(maps, ProcMapping, i);
            if (!is_lasting_code(m) || is_libc(m) != (pass == 0)) {
                continue;
            }
            if (!attach_gadget_peek(pid, m->start, &probe, 1) &&
                (errno == EPERM || errno == ESRCH)) {
                return error_set_errno(
                    error, errno, "cannot read the memory of process %d",
                    (int)pid);
            }
            search_mapping(pid, m, chunk, found);
        }
    }
    return true;
}
