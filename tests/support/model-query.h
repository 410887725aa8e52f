/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The QMP commands of a model of QEMU that only tell, and add-fd, whose answer
 * is a number. CommandNotFound for what it does not know, with a line on
 * stderr. Main thread.
 */
#pragma once

#include "tests/support/model-command.h"

ModelReply model_query_run(ModelQemu *qemu, const char *command,
                           JsonObject *arguments, int *fd);
