/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Preloaded into postlude by a test: the kernel of a host without a free huge
 * page. process_madvise() of a range says ENOMEM, the first POSTLUDE_TEST_REFUSE
 * times or always (-1), and everything else is the kernel's own. The host is
 * not compacted for it: that the request was made is noted, as is each refusal,
 * as a line of the file POSTLUDE_TEST_REFUSE_LOG. With POSTLUDE_TEST_REFUSE_LAY
 * in the environment no huge page can be laid either (madvise()).
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ADVICE_COLLAPSE 25 /* MADV_COLLAPSE; Debian 12 does not know it */

static void
note(const char *line)
{
    const char *path = getenv("POSTLUDE_TEST_REFUSE_LOG");
    FILE *file = path ? fopen(path, "ae") : NULL;
    if (file) {
        fputs(line, file);
        fclose(file);
    }
}

static int
is_refused(void)
{
    static long refused;
    const char *limit = getenv("POSTLUDE_TEST_REFUSE");
    long n = limit ? atol(limit) : 0;
    if (n >= 0 && refused >= n) {
        return 0;
    }
    refused++;
    note("refused\n");
    return 1;
}

long
syscall(long number, ...)
{
    static long (*real)(long, ...);
    long a[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) {
        a[i] = va_arg(list, long);
    }
    va_end(list);
    /* An empty list of ranges is the question whether this may be done. */
    if (number == SYS_process_madvise && a[2] > 0 && is_refused()) {
        errno = ENOMEM;
        return -1;
    }
    if (!real) {
        *(void **)&real = dlsym(RTLD_NEXT, "syscall");
    }
    return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int
madvise(void *at, size_t n, int advice)
{
    static int (*real)(void *, size_t, int);
    if (advice == ADVICE_COLLAPSE && getenv("POSTLUDE_TEST_REFUSE_LAY")) {
        errno = ENOMEM;
        return -1;
    }
    if (!real) {
        *(void **)&real = dlsym(RTLD_NEXT, "madvise");
    }
    return real(at, n, advice);
}

int
open(const char *path, int flags, ...)
{
    static int (*real)(const char *, int, ...);
    va_list list;
    va_start(list, flags);
    int mode = flags & (O_CREAT | __O_TMPFILE) ? va_arg(list, int) : 0;
    va_end(list);
    if (!real) {
        *(void **)&real = dlsym(RTLD_NEXT, "open");
    }
    if (strcmp(path, "/proc/sys/vm/compact_memory") == 0) {
        note("compact\n");
        return real("/dev/null", flags);
    }
    return real(path, flags, mode);
}
