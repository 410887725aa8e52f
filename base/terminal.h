/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One line at the bottom of a terminal that is written over and over: never
 * wider than the terminal is at that moment, so that it stays one line. Widths
 * are in columns: a wide character (CJK, emoji) takes two, a combining one none.
 */
#pragma once

#include <stdbool.h>

/* FD is a terminal that can take a line back. */
bool terminal_is(int fd);

/* Its width now: of the terminal itself, else of the environment's COLUMNS, else 80.
 * Never 0. */
unsigned terminal_columns(int fd);

/* The columns that TEXT, valid UTF-8 in one line, takes. */
unsigned terminal_width(const char *text);

/* The beginning of TEXT that fits into COLUMNS; owned by the caller. */
char *terminal_cut(const char *text, unsigned columns);

/* Writes TEXT over the line that the cursor is in, cut to the width of FD; the
 * last column stays free, behind which a terminal would begin a new line. */
void terminal_show(int fd, const char *text);

/* Takes that line away. */
void terminal_hide(int fd);
