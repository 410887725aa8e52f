/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who drives the move of a cell from outside: with --follow QEMU's migration,
 * as libvirt does; and the operator, who starts a successor for a helper that
 * was killed, as docs/failure.md says, and ends a QEMU that is not needed.
 */
#pragma once

#include "tests/support/matrix-cell.h"

/* Follow only, both are armed: QEMU's migration up to CELL's stage. */
bool matrix_driver_reach(const MatrixCell *cell, ModelScene *scene,
                         int timeout_ms);
/* And what is left of it. Does nothing if it was not begun and cannot be. */
void matrix_driver_finish(const MatrixCell *cell, ModelScene *scene,
                          int timeout_ms);

/* SIGKILL, and it is gone; NULL is ignored. */
void matrix_driver_kill(VmTool *tool);

/* Waits for the tools to end, with successors for those that were killed. */
void matrix_driver_end(MatrixCell *cell, ModelScene *scene);
