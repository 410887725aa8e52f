/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where tests/guest/linux/build.sh has put the guest (tests/support/cache.sh
 * has the same rule in shell), and what it prints.
 */
#include "tests/support/vm-linux.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *
cache_file(const char *name)
{
    const char *cache = g_getenv("POSTLUDE_TEST_CACHE");
    if (cache && *cache) {
        return g_build_filename(cache, "linux", name, NULL);
    }
    if (geteuid() == 0) {
        return g_build_filename("/var/cache/postlude-tests/linux", name, NULL);
    }
    return g_build_filename(g_get_user_cache_dir(), "postlude-tests", "linux",
                            name, NULL);
}

char *
vm_linux_why_not(VmQemuVersion version)
{
    char *why = vm_qemu_why_not(version, false);
    if (why) {
        return why;
    }
    g_autofree char *kernel = cache_file("vmlinuz");
    g_autofree char *initrd = cache_file("initramfs.gz");
    g_autofree char *modules = cache_file("modules");
    if (access(kernel, R_OK) < 0 || access(initrd, R_OK) < 0 ||
        access(modules, R_OK) < 0) {
        return g_strdup_printf("there is no %s, no %s or no %s (run "
                               "tests/guest/linux/build.sh)", kernel, initrd,
                               modules);
    }
    return NULL;
}

void
vm_linux_set(VmQemuOptions *options, unsigned pairs)
{
    g_autofree char *kernel = cache_file("vmlinuz");
    g_autofree char *initrd = cache_file("initramfs.gz");
    g_autofree char *append = g_strdup_printf(
        "console=ttyS0 quiet panic=0 pairs=%u", pairs);
    options->kernel = g_intern_string(kernel);
    options->initrd = g_intern_string(initrd);
    options->append = g_intern_string(append);
}

bool
vm_linux_set_programs(VmQemuOptions *options, const char *directory,
                      const char *init, const char *const *programs,
                      GError **error)
{
    g_autofree char *base = cache_file("initramfs.gz");
    g_autofree char *out = g_build_filename(directory, "initramfs", NULL);
    g_autofree char *first =
        g_build_filename(SOURCE_ROOT, "tests", "guest", "linux", init, NULL);
    const char *words[] = {SOURCE_ROOT "/tests/guest/linux/overlay.sh", base,
                           out, first};
    g_autoptr(GPtrArray) argv = g_ptr_array_new();
    for (size_t i = 0; i < G_N_ELEMENTS(words); i++) {
        g_ptr_array_add(argv, (char *)words[i]);
    }
    for (; *programs; programs++) {
        g_ptr_array_add(argv, (char *)*programs);
    }
    g_ptr_array_add(argv, NULL);
    int status = -1;
    g_autofree char *said = NULL;
    bool ok = g_spawn_sync(NULL, (char **)argv->pdata, NULL, G_SPAWN_DEFAULT,
                           NULL, NULL, NULL, &said, &status, error) &&
              g_spawn_check_wait_status(status, error);
    if (!ok) {
        g_prefix_error(error, "%s: %s", words[0], said ? said : "");
        return false;
    }
    options->initrd = g_intern_string(out);
    return true;
}

int
vm_linux_ticks(const char *text)
{
    if (strstr(text, " WRONG ") || strstr(text, "Kernel panic")) {
        return -1;
    }
    const char *last = g_strrstr(text, " ok pair=");
    while (last && !strchr(last, '\n')) {
        last = g_strrstr_len(text, last - text, " ok pair=");
    }
    const char *tick = last ? g_strrstr_len(text, last - text, "tick ") : NULL;
    return tick ? atoi(tick + strlen("tick ")) : 0;
}
