/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Signals: see signals.h.
 */
#include "base/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/fd.h"

#define WATCHES 16u

typedef struct {
    unsigned place;
    GSourceFunc call;
    gpointer data;
} Watch;

/* What the handler sees; SIGNUM is 0 where nobody watches. */
static struct {
    _Atomic int signum;
    _Atomic int fd;
} places[WATCHES];

static void
signals_hear(int signum)
{
    int saved = errno;
    const uint64_t one = 1;
    for (unsigned i = 0; i < WATCHES; i++) {
        if (atomic_load(&places[i].signum) == signum) {
            ssize_t ignored =
                write(atomic_load(&places[i].fd), &one, sizeof one);
            (void)ignored;
        }
    }
    errno = saved;
}

static gboolean
signals_tell(gint fd, GIOCondition condition, gpointer data)
{
    Watch *watch = data;
    eventfd_t ignored;
    eventfd_read(fd, &ignored);
    return watch->call(watch->data);
}

static void
signals_forget(gpointer data)
{
    Watch *watch = data;
    int signum = atomic_exchange(&places[watch->place].signum, 0);
    int fd = atomic_load(&places[watch->place].fd);
    bool others = false;
    for (unsigned i = 0; i < WATCHES; i++) {
        others |= atomic_load(&places[i].signum) == signum;
    }
    if (!others) {
        signal(signum, signum == SIGUSR1 ? SIG_IGN : SIG_DFL);
    }
    fd_clear(&fd);
    g_free(watch);
}

guint
signals_watch(int signum, GSourceFunc call, gpointer data)
{
    unsigned place = 0;
    while (place < WATCHES && atomic_load(&places[place].signum)) {
        place++;
    }
    int fd = place < WATCHES ? eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) : -1;
    if (fd < 0) {
        return 0;
    }
    Watch *watch = g_new0(Watch, 1);
    *watch = (Watch){.place = place, .call = call, .data = data};
    atomic_store(&places[place].fd, fd);
    atomic_store(&places[place].signum, signum);
    guint id = g_unix_fd_add_full(G_PRIORITY_DEFAULT, fd, G_IO_IN, signals_tell,
                                  watch, signals_forget);
    struct sigaction action = {.sa_handler = signals_hear,
                               .sa_flags = SA_RESTART};
    sigaction(signum, &action, NULL);
    return id;
}

bool
signals_prepare(void)
{
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    signal(SIGUSR1, SIG_IGN);
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        /* The lowest free number is this one. */
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd) {
            return false;
        }
    }
    return true;
}

void
signals_restore(gpointer unused)
{
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_DFL);
    signal(SIGUSR1, SIG_DFL);
}
