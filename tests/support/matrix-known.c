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
    {MATRIX_RESUME, MATRIX_START, MATRIX_NATIVE_ACTIVE,
     "the sender died when it had recorded \"migrate\" and QEMU had not heard "
     "it: the migration that is there, with our x-ignore-shared, counts as "
     "ours, and is cancelled"},
    {MATRIX_RESUME, MATRIX_COMPLETED, MATRIX_CAPABILITY_A,
     "send --resume tells its own \"postmigrate\" by x-ignore-shared; if the "
     "operator has switched that off, nobody starts the guest"},
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
