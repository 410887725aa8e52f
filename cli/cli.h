/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The verbs: one file each, all of one shape. Exit status: 0 done; 1 refused
 * or failed, and the guest is where it was; 2 usage; 3 something was given up
 * after the point of no return.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

int cmd_send(int argc, char **argv);
int cmd_receive(int argc, char **argv);
int cmd_keep(int argc, char **argv); /* not for people */
int cmd_attend(int argc, char **argv); /* not for people */
int cmd_check(int argc, char **argv);
int cmd_collapse(int argc, char **argv);
int cmd_status(int argc, char **argv);

/* In postlude-libvirt; see cli-libvirt.h. */
int cmd_migrate(int argc, char **argv);
int cmd_check_domain(int argc, char **argv);

/* Parses ARGV (the verb first) against ENTRIES (a GOptionEntry table that ends in {0}); what is
 * left over is an error. What all verbs take (--help, --version, --quiet,
 * --verbose) is added and obeyed, file names become absolute. USAGE is what
 * must be given, SUMMARY what it does, both for --help. False: *STATUS is what
 * to exit with (0 after --help or --version, else 2). */
bool cli_parse(int argc, char **argv, const char *usage, const char *summary,
               const GOptionEntry *entries, int *status);

/* For stdout, whatever a VM, a peer or QEMU put into TEXT: base/printable.h. */
void cli_print(const char *text);

/* Prints "postlude VERB: MESSAGE", in one line, and returns STATUS. */
int cli_fail(const char *verb, const char *message, int status);
