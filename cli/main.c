/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The front door: a table of verbs.
 */
#include <locale.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/printable.h"
#include "base/signals.h"
#include "cli/cli-libvirt.h"
#include "cli/cli.h"

typedef struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *help;
} Verb;

static const Verb verbs[] = {
    {"send", cmd_send, "source: hand a running guest over, serve its pages"},
    {"receive", cmd_receive, "destination: take a guest over, make it huge"},
    {"migrate", cli_libvirt_run, "move a domain of libvirt to another host"},
    {"collapse", cmd_collapse, "give a running guest its huge pages back"},
    {"check", cmd_check, "say what this host and this guest lack"},
    {"status", cmd_status, "show the helpers that run on this host"},
    {"keep", cmd_keep, NULL},
    {"attend", cmd_attend, NULL},
};

static void
print_help(FILE *out)
{
    fprintf(out,
            "Usage: postlude VERB [OPTION...]\n\n"
            "Moves a running QEMU/KVM guest to another host by postcopy and "
            "gives it back its\nhuge pages the moment it arrives.\n\n");
    for (unsigned i = 0; i < G_N_ELEMENTS(verbs); i++) {
        if (verbs[i].help) {
            fprintf(out, "  %-9s %s\n", verbs[i].name, verbs[i].help);
        }
    }
    fprintf(out,
            "\n'postlude VERB --help' tells the options. Manual: "
            "postlude(1)\n");
}

int
main(int argc, char **argv)
{
    setlocale(LC_ALL, "C.UTF-8");
    if (!signals_prepare()) {
        return 1;
    }
    log_init(g_getenv("POSTLUDE_DEBUG") != NULL);
    const char *name = argc > 1 ? argv[1] : "";
    for (unsigned i = 0; i < G_N_ELEMENTS(verbs); i++) {
        if (strcmp(name, verbs[i].name) == 0) {
            return verbs[i].run(argc - 1, argv + 1);
        }
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        printf("postlude %s\n", POSTLUDE_VERSION);
        return 0;
    }
    bool help = strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
    if (!help) {
        g_autofree char *text = printable_line(name);
        fprintf(stderr, "postlude: %s%s\n",
                *name ? "no such verb: " : "a verb is missing", text);
    }
    print_help(help ? stdout : stderr);
    return help ? 0 : 2;
}
