/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One program finds the other: see cli-libvirt.h. In the build tree they lie
 * side by side.
 */
#include "cli/cli-libvirt.h"

#include <errno.h>
#include <unistd.h>

#include "cli/cli.h"

/* NAME in the directory of this program if it is there, else in INSTALLED. */
static char *
libvirt_find(const char *name, const char *installed)
{
    g_autofree char *self = g_file_read_link("/proc/self/exe", NULL);
    g_autofree char *directory = self ? g_path_get_dirname(self) : NULL;
    g_autofree char *beside =
        directory ? g_build_filename(directory, name, NULL) : NULL;
    return beside && access(beside, X_OK) == 0
               ? g_steal_pointer(&beside)
               : g_build_filename(installed, name, NULL);
}

static char *
find_ours(void)
{
    return libvirt_find("postlude-libvirt", POSTLUDE_LIBEXECDIR);
}

bool
cli_libvirt_is_there(void)
{
    g_autofree char *program = find_ours();
    return access(program, X_OK) == 0;
}

int
cli_libvirt_run(int argc, char **argv)
{
    g_autofree char *program = find_ours();
    g_auto(GStrv) arguments = g_new0(char *, (gsize)argc + 2);
    arguments[0] = g_strdup(program);
    for (int i = 0; i < argc; i++) {
        arguments[i + 1] = g_strdup(argv[i]);
    }
    execv(program, arguments);
    g_autofree char *text =
        errno == ENOENT
            ? g_strdup_printf("this needs libvirt: %s is not installed, or "
                              "postlude was built without libvirt "
                              "(-Dlibvirt=enabled)", program)
            : g_strdup_printf("cannot run %s: %s", program,
                              g_strerror(errno));
    return cli_fail(argv[0], text, 1);
}

char *
cli_libvirt_postlude(void)
{
    return libvirt_find("postlude", POSTLUDE_BINDIR);
}
