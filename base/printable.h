/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Text from outside (a VM's name, a peer's reason, QEMU's or libvirt's words)
 * as a terminal or a log may be given it: nothing in it moves the cursor, begins
 * a new line, turns the reading direction or is invisible. What is taken out is
 * shown as it would be written in C: \n, \x1b, \u202e. Pure, any thread; the
 * results are valid UTF-8, owned by the caller; NULL gives "".
 */
#pragma once

/* For one line: newlines are shown too. */
char *printable_line(const char *text);

/* For text that was laid out in lines by us: newlines stay. */
char *printable_text(const char *text);

/* A JSON document, in which such characters stand in strings only: they become
 * JSON's own \u escapes, so that a reader gets what it was. */
char *printable_json(const char *document);
