/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The states of all pages: see migrate-states.h.
 */
#include "migrate/pages/migrate-states.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/error.h"

/* The states, one byte a page, then which extents are laid, one byte each. */
static uint64_t
room_for(const MigrateRam *ram)
{
    return ram->pages + ram->extents;
}

int
migrate_states_memory(GError **error)
{
    int memory = memfd_create("postlude-page-states", MFD_CLOEXEC);
    if (memory < 0) {
        error_set_errno(error, errno, "memory for the page states");
    }
    return memory;
}

/* All of it now: a store into a hole of a full tmpfs is a SIGBUS, and it would
 * come when the guest already runs here. */
bool
migrate_states_make_room(const MigrateRam *ram, int memory, GError **error)
{
    int failed = posix_fallocate(memory, 0, (off_t)room_for(ram));
    return !failed ||
           error_set_errno(error, failed,
                           "no %" G_GUINT64_FORMAT " KiB for the state of "
                           "each page; make room in the run-time directory "
                           "(/run)",
                           room_for(ram) / 1024 + 1);
}

bool
migrate_states_are_of(const MigrateRam *ram, int memory, GError **error)
{
    struct stat st;
    return (fstat(memory, &st) == 0 &&
            (uint64_t)st.st_size == room_for(ram)) ||
           error_set(error, ERROR_PROTOCOL,
                     "the page states that were left are not of this guest");
}

bool
migrate_states_map(MigrateStates *states, const MigrateRam *ram, int memory,
                   GError **error)
{
    void *bytes = mmap(NULL, room_for(ram), PROT_READ | PROT_WRITE, MAP_SHARED,
                       memory, 0);
    if (bytes == MAP_FAILED) {
        return error_set_errno(error, errno, "map the page states");
    }
    *states = (MigrateStates){
        .ram = ram, .bytes = bytes, .room = room_for(ram)};
    return true;
}

void
migrate_states_unmap(MigrateStates *states)
{
    if (states->bytes) {
        munmap(states->bytes, states->room);
        states->bytes = NULL;
    }
}

void
migrate_states_find(const MigrateStates *states, unsigned block,
                    PageState **pages, uint8_t **laid)
{
    uint64_t page = 0, extent = states->ram->pages;
    for (unsigned i = 0; i < block; i++) {
        page += states->ram->blocks[i].pages;
        extent += states->ram->blocks[i].extents;
    }
    *pages = (PageState *)states->bytes + page;
    *laid = states->bytes + extent;
}

bool
migrate_states_unask(MigrateStates *states)
{
    bool wanted = false;
    for (uint64_t i = 0; i < states->ram->pages; i++) {
        wanted |= page_state_unask((PageState *)states->bytes + i);
    }
    return wanted;
}
