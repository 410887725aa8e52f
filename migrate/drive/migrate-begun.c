/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Whether it was ours: see migrate-begun.h.
 *
 * The journal says that "migrate" was about to be said. What happened since is
 * asked of QEMU, which keeps three things:
 *
 *   our descriptor   "migrate" takes it from the monitor that it was given
 *                    through, where it stays over all connections. Still there:
 *                    QEMU has not heard of ours.
 *   x-ignore-shared  nobody changes a capability while QEMU migrates, and who
 *                    puts things right by hand switches it off before "cont".
 *                    On: nobody has.
 *   pages carried    by the last migration that is over. Ours leaves out the
 *                    guest's RAM, any other takes it along: so if it was left
 *                    out, no other has been made since, and whoever switched
 *                    x-ignore-shared off did so after ours.
 */
#include "migrate/drive/migrate-begun.h"

#include <string.h>

#include "base/error.h"
#include "base/range.h"
#include "migrate/device/migrate-socket.h"
#include "migrate/session/migrate-qemu.h"

/* What the guest still writes to, video RAM, may be carried more than once. */
#define PASSES 4

/* FAILED: there is none of that name. */
static bool
ask_whether_heard(MigrateSession *session, bool *heard, GError **error)
{
    g_autoptr(GError) why = NULL;
    *heard = !qmp_qemu_closefd(session->guest.qmp, MIGRATE_SOCKET_NAME, &why);
    if (*heard && !error_is(why, ERROR_FAILED)) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    return true;
}

static bool
is_of_guest(const MigrateRam *ram, const char *name)
{
    for (unsigned i = 0; i < ram->n_blocks; i++) {
        if (strcmp(ram->blocks[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Memory of the board and of its cards: what QEMU carries when it leaves the
 * guest's out. */
static bool
count_others(MigrateSession *session, uint64_t *pages, GError **error)
{
    g_autoptr(GArray) blocks =
        qmp_qemu_list_ram_blocks(session->guest.qmp, error);
    *pages = 0;
    for (guint i = 0; blocks && i < blocks->len; i++) {
        const QmpRamBlock *block = &g_array_index(blocks, QmpRamBlock, i);
        if (!is_of_guest(session->guest.ram, block->name)) {
            *pages += block->max_bytes / PAGE_BYTES;
        }
    }
    return blocks != NULL;
}

/* return-path off: somebody has put right more than x-ignore-shared. */
static bool
ask_whether_ram_was_left_out(MigrateSession *session, bool *left_out,
                             GError **error)
{
    gint64 carried;
    uint64_t others;
    *left_out = false;
    if (!qmp_qemu_get_capability(session->guest.qmp, "return-path", left_out,
                                 error) ||
        !qmp_qemu_carried_pages(session->guest.qmp, &carried, error) ||
        !count_others(session, &others, error)) {
        return false;
    }
    *left_out = *left_out && carried >= 0 &&
                (uint64_t)carried < session->guest.ram->pages &&
                (uint64_t)carried <= PASSES * others;
    return true;
}

static bool
ask_own(MigrateSession *session, bool as_left, bool *ours, GError **error)
{
    bool heard;
    *ours = false;
    if (!session->source.begun) {
        return true;
    }
    if (!ask_whether_heard(session, &heard, error)) {
        return false;
    }
    if (!heard || as_left) {
        *ours = heard;
        return true;
    }
    return ask_whether_ram_was_left_out(session, ours, error);
}

bool
migrate_begun_ask(MigrateSession *session, GError **error)
{
    bool as_left = false, ours = false;
    if (!migrate_qemu_is_as_left(session, &as_left, error) ||
        !ask_own(session, as_left, &ours, error)) {
        return false;
    }
    session->source.begun = ours;
    return true;
}
