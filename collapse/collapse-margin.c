/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The margin of memory cgroups and the host: see collapse-margin.h.
 */
#include "collapse/collapse-margin.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "collapse/collapse-cgroup.h"

#define TEXT_ROOM 16384
/* So much is plenty, more than anybody here asks for, and memory.stat, the dear
 * one, need not be read. */
#define PLENTY (UINT64_C(96) << 20)

/* The files of a level, and what is in them. In v1 the second pair counts
 * memory and swap together, in v2 swap alone. */
typedef struct {
    const char *limit, *usage, *swap_limit, *swap_usage;
    const char *active, *inactive; /* words of memory.stat: the page cache */
    bool swap_includes_memory;
} Names;

static const Names versions[] = {
    {"memory.max", "memory.current", "memory.swap.max", "memory.swap.current",
     "active_file", "inactive_file", false},
    {"memory.limit_in_bytes", "memory.usage_in_bytes",
     "memory.memsw.limit_in_bytes", "memory.memsw.usage_in_bytes",
     "total_active_file", "total_inactive_file", true},
};

typedef struct {
    const Names *names;
    int limit, usage, swap_limit, swap_usage, stat; /* the swaps may be -1 */
} Level;

struct CollapseMargin {
    GArray *levels; /* innermost first */
    int meminfo;    /* of the host */
};

static void
clear_level(gpointer data)
{
    Level *level = data;
    fd_clear(&level->limit);
    fd_clear(&level->usage);
    fd_clear(&level->swap_limit);
    fd_clear(&level->swap_usage);
    fd_clear(&level->stat);
}

static int
open_in(const char *directory, const char *name)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    return open(path, O_RDONLY | O_CLOEXEC);
}

static bool
open_level(const char *directory, const Names *names, Level *level)
{
    *level = (Level){
        .names = names,
        .limit = open_in(directory, names->limit),
        .usage = open_in(directory, names->usage),
        .swap_limit = open_in(directory, names->swap_limit),
        .swap_usage = open_in(directory, names->swap_usage),
        .stat = open_in(directory, "memory.stat"),
    };
    if (level->limit >= 0 && level->usage >= 0 && level->stat >= 0) {
        return true;
    }
    clear_level(level);
    return false;
}

static bool
is_cgroup(const char *directory)
{
    g_autofree char *path = g_build_filename(directory, "cgroup.procs", NULL);
    return access(path, F_OK) == 0;
}

/* A cgroup without a limit of its own, such as the threaded ones in which
 * libvirt has QEMU's threads, may well lie in one that has. */
static void
open_levels(const char *directory, GArray *levels)
{
    g_autofree char *at = g_strdup(directory);
    Level level;
    while (is_cgroup(at)) {
        if (open_level(at, &versions[0], &level) ||
            open_level(at, &versions[1], &level)) {
            g_array_append_val(levels, level);
        }
        char *above = g_path_get_dirname(at);
        g_free(at);
        at = above;
    }
}

CollapseMargin *
collapse_margin_open_at(const char *directory, const char *meminfo)
{
    CollapseMargin *margin = g_new0(CollapseMargin, 1);
    margin->meminfo = open(meminfo, O_RDONLY | O_CLOEXEC);
    margin->levels = g_array_new(FALSE, FALSE, sizeof(Level));
    g_array_set_clear_func(margin->levels, clear_level);
    if (directory) {
        open_levels(directory, margin->levels);
    }
    return margin;
}

CollapseMargin *
collapse_margin_open(pid_t pid)
{
    g_autoptr(GError) why = NULL;
    g_autofree char *directory = collapse_cgroup_directory(pid, &why);
    if (!directory) {
        g_info("no memory limit is minded: %s", why->message);
    }
    return collapse_margin_open_at(directory, "/proc/meminfo");
}

void
collapse_margin_free(CollapseMargin *margin)
{
    g_array_unref(margin->levels);
    fd_clear(&margin->meminfo);
    g_free(margin);
}

/* "max" is UINT64_MAX, and so is what cannot be read (the cgroup is gone). */
static uint64_t
read_number(int fd)
{
    char text[32];
    ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof text - 1, 0);
    text[MAX(n, 0)] = '\0';
    return g_ascii_isdigit(text[0]) ? g_ascii_strtoull(text, NULL, 10)
                                    : UINT64_MAX;
}

uint64_t
collapse_margin_stat(const char *text, const char *name)
{
    size_t length = strlen(name);
    const char *line = text;
    while (line) {
        if (strncmp(line, name, length) == 0 && line[length] == ' ') {
            return g_ascii_strtoull(line + length + 1, NULL, 10);
        }
        const char *end = strchr(line, '\n');
        line = end ? end + 1 : NULL;
    }
    return 0;
}

static void
read_text(int fd, char text[TEXT_ROOM])
{
    ssize_t n = fd < 0 ? -1 : pread(fd, text, TEXT_ROOM - 1, 0);
    text[MAX(n, 0)] = '\0';
}

/* Dirty or not, it goes before anybody is killed. */
static uint64_t
page_cache_bytes(const Level *level)
{
    char text[TEXT_ROOM];
    read_text(level->stat, text);
    return collapse_margin_stat(text, level->names->active) +
           collapse_margin_stat(text, level->names->inactive);
}

typedef struct {
    uint64_t available_bytes; /* UINT64_MAX: not known */
    uint64_t swap_bytes;      /* free */
} Host;

static Host
look_at_host(int meminfo)
{
    char text[TEXT_ROOM];
    read_text(meminfo, text);
    Host host = {.available_bytes = UINT64_MAX};
    if (strstr(text, "MemAvailable:")) {
        host.available_bytes = collapse_margin_stat(text, "MemAvailable:")
                               << 10;
    }
    host.swap_bytes = collapse_margin_stat(text, "SwapFree:") << 10;
    return host;
}

static uint64_t
left_of(int limit, int usage)
{
    uint64_t most = read_number(limit), now = read_number(usage);
    if (most == UINT64_MAX || now == UINT64_MAX) {
        return UINT64_MAX;
    }
    return most > now ? most - now : 0;
}

static uint64_t
margin_sum(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t
level_bytes(const Level *level, const Host *host)
{
    bool both = level->names->swap_includes_memory;
    uint64_t left = left_of(level->limit, level->usage);
    uint64_t swap = left_of(level->swap_limit, level->swap_usage);
    uint64_t at_least = both ? MIN(left, swap) : left;
    if (at_least >= PLENTY) {
        return at_least;
    }
    uint64_t cache = page_cache_bytes(level);
    uint64_t out = host->swap_bytes;
    return both ? MIN(margin_sum(left, margin_sum(cache, out)),
                      margin_sum(swap, cache))
                : margin_sum(left, margin_sum(cache, MIN(swap, out)));
}

uint64_t
collapse_margin_bytes(const CollapseMargin *margin)
{
    Host host = look_at_host(margin->meminfo);
    uint64_t least = margin_sum(host.available_bytes, host.swap_bytes);
    for (guint i = 0; i < margin->levels->len; i++) {
        uint64_t bytes =
            level_bytes(&g_array_index(margin->levels, Level, i), &host);
        least = MIN(least, bytes);
    }
    return least;
}
