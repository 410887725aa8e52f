/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * For a guest made for it, never for a host: leaves a machine whose memory is
 * free but in pieces. Fills nearly all of it with pages that the kernel cannot
 * move (what is written into pipes), then takes back all but one of each MiB.
 * Then holds MIB of ordinary memory in small pages, says "fragmented", and
 * stays.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#define PIPE_BYTES (1u << 20)
#define PAGE_BYTES 4096u
#define MOST_PIPES 2000
#define SPARE_BYTES (24ul << 20)

static unsigned long
free_bytes(void)
{
    struct sysinfo info;
    sysinfo(&info);
    return info.freeram * info.mem_unit;
}

static int
fill(int ends[2])
{
    static char bytes[PAGE_BYTES];
    memset(bytes, 'x', sizeof bytes);
    if (pipe2(ends, O_NONBLOCK) < 0 ||
        fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES) < 0) {
        return -1;
    }
    while (write(ends[1], bytes, sizeof bytes) == (ssize_t)sizeof bytes) {
    }
    return 0;
}

static void
drain_all_but_one(int end)
{
    char bytes[PAGE_BYTES];
    for (unsigned i = 1; i < PIPE_BYTES / PAGE_BYTES; i++) {
        if (read(end, bytes, sizeof bytes) <= 0) {
            return;
        }
    }
}

static void
hold(unsigned long bytes)
{
    char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        perror("fragment: mmap");
        exit(1);
    }
    for (unsigned long i = 0; i < bytes; i += PAGE_BYTES) {
        at[i] = 1;
    }
}

int
main(int argc, char **argv)
{
    static int pipes[MOST_PIPES][2];
    unsigned n = 0;
    struct rlimit files = {2 * MOST_PIPES + 16, 2 * MOST_PIPES + 16};
    setrlimit(RLIMIT_NOFILE, &files);
    while (n < MOST_PIPES && free_bytes() > SPARE_BYTES && fill(pipes[n]) == 0) {
        n++;
    }
    for (unsigned i = 0; i < n; i++) {
        drain_all_but_one(pipes[i][0]);
    }
    hold((argc > 1 ? strtoul(argv[1], NULL, 10) : 96) << 20);
    printf("fragmented: %u pages that cannot move, %lu MiB free\n", n,
           free_bytes() >> 20);
    fflush(stdout);
    for (;;) {
        pause();
    }
}
