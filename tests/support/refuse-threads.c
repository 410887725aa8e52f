/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Preloaded into postlude by a test: a host on which no thread is to be had for
 * as long as the first byte of the file POSTLUDE_TEST_NO_THREADS is '1'. The
 * file is mapped at the start, because a confined process opens none later. How
 * often it was refused is in the second byte.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static volatile char *word;

__attribute__((constructor)) static void
map_word(void)
{
    const char *path = getenv("POSTLUDE_TEST_NO_THREADS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd >= 0) {
        void *at = mmap(NULL, 2, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        word = at == MAP_FAILED ? NULL : at;
        close(fd);
    }
}

int
pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
               void *(*run)(void *), void *data)
{
    static int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *),
                       void *);
    if (word && word[0] == '1') {
        word[1] = word[1] < 100 ? (char)(word[1] + 1) : word[1];
        return EAGAIN;
    }
    if (!real) {
        *(void **)&real = dlsym(RTLD_NEXT, "pthread_create");
    }
    return real(thread, attributes, run, data);
}
