/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * In place of libFuzzer: runs a target on each file it is given, and on each
 * file in each directory. What was found once is tested in every build, also
 * by gcc. Fails if it ran nothing.
 */
#include <stdio.h>

#include "tests/fuzz/fuzz-check.h"

static unsigned
run_file(const char *path)
{
    g_autofree char *bytes = NULL;
    gsize size;
    g_autoptr(GError) error = NULL;
    if (!g_file_get_contents(path, &bytes, &size, &error)) {
        g_error("%s", error->message);
    }
    g_autofree uint8_t *exact = g_memdup2(bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
    return 1;
}

static unsigned
run(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    if (!dir) {
        return run_file(path);
    }
    unsigned n = 0;
    const char *name;
    while ((name = g_dir_read_name(dir))) {
        g_autofree char *below = g_build_filename(path, name, NULL);
        /* Printed first: the last line names what the target died of. */
        printf("%s\n", name);
        fflush(stdout);
        n += run_file(below);
    }
    return n;
}

int
main(int argc, char **argv)
{
    unsigned n = 0;
    LLVMFuzzerInitialize(&argc, &argv);
    for (int i = 1; i < argc; i++) {
        n += run(argv[i]);
    }
    printf("%u inputs\n", n);
    return n > 0 ? 0 : 1;
}
