/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where a cgroup is mounted: a mountinfo, and behind a line "@" the path of
 * the cgroup. What is found lies below a mount point that the text names. The
 * same text as a memory.stat, of which the path is a name.
 */
#include <string.h>

#include "collapse/collapse-cgroup.h"
#include "collapse/collapse-margin.h"
#include "tests/fuzz/fuzz-check.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *text = fuzz_text(data, size);
    char *path = strstr(text, "\n@");
    if (path) {
        *path = '\0';
        path += 2;
        path[strcspn(path, "\n")] = '\0';
    } else {
        path = text + strlen(text);
    }
    g_autofree char *v1 = collapse_cgroup_locate(text, "memory", path);
    g_autofree char *v2 = collapse_cgroup_locate(text, "", path);
    g_assert_true(!v1 || strstr(text, " - cgroup "));
    g_assert_true(!v2 || strstr(text, " - cgroup2 "));
    g_assert_true(collapse_margin_stat(text, path) == 0 || strstr(text, path));
    return 0;
}
