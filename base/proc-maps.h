/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What /proc/PID/maps, smaps and cgroup say, as structs. The parsers take text
 * (fuzzed, no privilege needed); the readers fetch that text.
 * Formats: Documentation/filesystems/proc.rst in the kernel tree.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct {
    uint64_t start; /* HVA of the first byte */
    uint64_t end;   /* HVA after the last byte */
    uint64_t offset; /* in the file */
    uint64_t inode;  /* 0: anonymous */
    unsigned dev_major, dev_minor;
    bool readable, writable, executable, shared;
    char *path; /* "" if none; " (deleted)" is kept; owned */
    /* From smaps only, in bytes; 0 from maps. */
    uint64_t rss_bytes;
    uint64_t anon_huge_bytes;  /* AnonHugePages */
    uint64_t shmem_huge_bytes; /* ShmemPmdMapped */
    uint64_t file_huge_bytes;  /* FilePmdMapped */
    bool thp_eligible;         /* THPeligible: 1 */
    char vm_flags[128];        /* "rd wr sh ..."; "" if unknown */
} ProcMapping;

void proc_mapping_clear(ProcMapping *mapping);

/* One line of maps (or a header line of smaps), without its newline. False if
 * it is not one; then *MAPPING is untouched. */
bool proc_maps_parse_line(const char *line, ProcMapping *mapping);

/* The text of maps or smaps: an array of ProcMapping that clears its elements
 * (g_array_unref). Lines that are neither a mapping nor a known field are
 * passed over; never fails, at worst it is empty. */
GArray *proc_maps_parse(const char *text);

/* Reads /proc/PID/maps or, with SMAPS, /proc/PID/smaps (slow: walks the page
 * tables). NULL with VM_GONE if there is no such process. */
GArray *proc_maps_read(pid_t pid, bool smaps, GError **error);

/* True if VM_FLAGS ("rd wr nh") has the two-letter FLAG. */
bool proc_mapping_has_flag(const ProcMapping *mapping, const char *flag);

/* The path of PID's cgroup below the mount of CONTROLLER (v1), or of the
 * unified hierarchy when CONTROLLER is "". NULL if /proc/PID/cgroup has no
 * such line. The text parser is separate so that it can be fuzzed. */
char *proc_cgroup_parse(const char *text, const char *controller);
char *proc_cgroup_read(pid_t pid, const char *controller);

/* PIDs (GArray of pid_t) of all processes but EXCEPT that map inode INODE of
 * device MAJOR:MINOR. Processes that vanish meanwhile are passed over. */
GArray *proc_maps_find_mappers(unsigned major, unsigned minor, uint64_t inode,
                               pid_t except);
