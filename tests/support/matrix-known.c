/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The cells that do not end as they should, and why: see matrix-cell.h. They are
 * written as they should be. Whoever cures one takes its line away.
 */
#include "tests/support/matrix-cell.h"

static const struct {
    MatrixKind kind;
    MatrixStage stage;
    MatrixChange change;
    const char *why;
} known[] = {
    {MATRIX_OWN, MATRIX_START, MATRIX_DEVICE_ADD,
     "a device that is plugged in after the last look and before \"migrate\" "
     "is not seen: from \"migrate\" on QEMU refuses new ones, so the look "
     "belongs after it"},
    {MATRIX_OWN, MATRIX_ACTIVE, MATRIX_STOP,
     "\"stop\" while QEMU's migration is active: the guest runs again at the "
     "destination"},
    {MATRIX_OWN, MATRIX_ACTIVE, MATRIX_CONT,
     "\"cont\" while QEMU's migration is active: the guest arrives paused"},
    {MATRIX_FOLLOW, MATRIX_POSTCOPY, MATRIX_B_GONE,
     "the receiver ends with 3 and does not tell the sender, which waits for "
     "ever"},
    {MATRIX_FOLLOW, MATRIX_SETTLE, MATRIX_RECEIVER_GONE,
     "receive --resume, when all memory is there, does not ask whether the "
     "guest runs and waits 10 s for it to start; then it dials a sender that "
     "has ended"},
    {MATRIX_RESUME, MATRIX_START, MATRIX_NATIVE_ACTIVE,
     "the sender died before it said \"migrate\", and send --resume cancels "
     "whatever migration there is"},
    {MATRIX_RESUME, MATRIX_COMPLETED, MATRIX_CAPABILITY_A,
     "send --resume tells its own \"postmigrate\" by x-ignore-shared; if the "
     "operator has switched that off, nobody starts the guest"},
    {MATRIX_RESUME, MATRIX_RUN, MATRIX_CONT_SOURCE,
     "started on the source while no helper lives: who resumes does not see "
     "it, and the guest runs twice"},
    {MATRIX_RESUME, MATRIX_POSTCOPY, MATRIX_CONT_SOURCE, "the same"},
    {MATRIX_RESUME, MATRIX_SETTLE, MATRIX_CONT_SOURCE, "the same"},
    {MATRIX_RESUME, MATRIX_RUN, MATRIX_B_GONE,
     "send --give-up leaves x-ignore-shared on in the source's QEMU"},
    {MATRIX_RESUME, MATRIX_POSTCOPY, MATRIX_B_GONE, "the same"},
    {MATRIX_RESUME, MATRIX_SETTLE, MATRIX_B_GONE, "the same"},
};

const char *
matrix_cell_known(const MatrixCell *cell)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(known); i++) {
        if (known[i].kind == cell->kind && known[i].stage == cell->stage &&
            known[i].change == cell->change) {
            return known[i].why;
        }
    }
    return NULL;
}
