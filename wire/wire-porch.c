/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Greeting callers: see wire-porch.h.
 */
#include "wire/wire-porch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/thread.h"

/* Strangers' failures are told, but not so many that they hide the rest. */
#define TELL_EVERY_NS UINT64_C(1000000000)

/* After accept() has failed, for want of descriptors most likely. */
#define BREATH_MS 100

typedef enum { GREETING, GREETED, FAILED } CallerState;

/* A place on the porch. SOCKET is a second descriptor of the caller's, so that
 * it can be shut whatever the greeting thread does with the first. */
typedef struct {
    WirePorch *porch;
    int fd, socket;
    uint64_t since_ns;
    GThread *thread;
    CallerState state; /* the thread ends when it is not GREETING any more */
    WireHello hello;
    WireLink *link; /* if GREETED */
} Caller;

struct WirePorch {
    int listener;
    const WireTlsCreds *creds;
    int patience_ms;
    int through; /* eventfd, a semaphore: callers to be taken */
    int nudge;   /* eventfd: a place is free, or all is over */
    bool stopping;
    GThread *thread;
    pthread_mutex_t lock; /* not GMutex: the thread sanitizer sees it */
    GQueue callers; /* Caller, oldest first */
    uint64_t told_ns;
    unsigned untold;
};

static void
caller_free(Caller *caller)
{
    g_thread_join(caller->thread);
    fd_clear(&caller->socket);
    g_clear_pointer(&caller->link, wire_link_free);
    g_free(caller);
}

static void
tell_locked(WirePorch *porch, const GError *why)
{
    uint64_t now = fd_now_ns();
    if (porch->stopping ||
        (porch->told_ns && now - porch->told_ns < TELL_EVERY_NS)) {
        porch->untold++;
        return;
    }
    g_autofree char *more =
        porch->untold ? g_strdup_printf(" (and %u before)", porch->untold)
                      : NULL;
    g_warning("refused a connection: %s%s", why->message,
              more ? more : "");
    porch->told_ns = now;
    porch->untold = 0;
}

static gpointer
porch_greet(gpointer data)
{
    Caller *caller = data;
    WirePorch *porch = caller->porch;
    g_autoptr(GError) why = NULL;
    WireLink *link = wire_link_accept(caller->fd, porch->creds,
                                      porch->patience_ms, &caller->hello,
                                      &why);
    pthread_mutex_lock(&porch->lock);
    caller->link = link;
    caller->state = link ? GREETED : FAILED;
    if (!link) {
        tell_locked(porch, why);
    }
    if (link) {
        eventfd_write(porch->through, 1);
    }
    eventfd_write(porch->nudge, 1);
    pthread_mutex_unlock(&porch->lock);
    return NULL;
}

/* False if nobody could be taken in: not even for want of a thread may this
 * process end, which holds a guest's memory. */
static bool
take_in(WirePorch *porch)
{
    int fd = accept4(porch->listener, NULL, NULL, SOCK_CLOEXEC);
    int second = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (second < 0) {
        fd_clear(&fd);
        return false;
    }
    Caller *caller = g_new0(Caller, 1);
    caller->porch = porch;
    caller->fd = fd;
    caller->socket = second;
    caller->since_ns = fd_now_ns();
    pthread_mutex_lock(&porch->lock);
    g_autoptr(GError) why = NULL;
    caller->thread = thread_try("greeting", porch_greet, caller, &why);
    bool ok = caller->thread != NULL;
    if (ok) {
        g_queue_push_tail(&porch->callers, caller);
    } else {
        tell_locked(porch, why);
    }
    pthread_mutex_unlock(&porch->lock);
    if (!ok) {
        fd_clear(&fd);
        fd_clear(&caller->socket);
        g_free(caller);
    }
    return ok;
}

static Caller *
find_locked(WirePorch *porch, CallerState state)
{
    for (GList *at = porch->callers.head; at; at = at->next) {
        Caller *caller = at->data;
        if (caller->state == state) {
            return caller;
        }
    }
    return NULL;
}

static Caller *
porch_steal(WirePorch *porch, CallerState state)
{
    pthread_mutex_lock(&porch->lock);
    Caller *caller = find_locked(porch, state);
    if (caller) {
        g_queue_remove(&porch->callers, caller);
    }
    pthread_mutex_unlock(&porch->lock);
    return caller;
}

static void
bury_failed(WirePorch *porch)
{
    Caller *caller;
    while ((caller = porch_steal(porch, FAILED))) {
        caller_free(caller);
    }
}

/* Milliseconds until the next may be let in: 0 now, -1 when somebody leaves.
 * Shuts the oldest that is being greeted if its time has come; it then leaves
 * by itself. */
static int
make_room(WirePorch *porch)
{
    int wait_ms = -1;
    pthread_mutex_lock(&porch->lock);
    Caller *oldest = find_locked(porch, GREETING);
    if (porch->callers.length < WIRE_PORCH_CALLERS) {
        wait_ms = 0;
    } else if (oldest) {
        uint64_t age_ms = (fd_now_ns() - oldest->since_ns) / 1000000;
        if (age_ms >= WIRE_PORCH_GRACE_MS) {
            shutdown(oldest->socket, SHUT_RDWR);
        } else {
            wait_ms = (int)(WIRE_PORCH_GRACE_MS - age_ms);
        }
    }
    pthread_mutex_unlock(&porch->lock);
    return wait_ms;
}

static bool
is_stopping(WirePorch *porch)
{
    pthread_mutex_lock(&porch->lock);
    bool stopping = porch->stopping;
    pthread_mutex_unlock(&porch->lock);
    return stopping;
}

/* Only who waits in the kernel's queue makes room necessary: nobody is sent
 * away for a place that nobody wants. */
static gpointer
porch_run(gpointer data)
{
    WirePorch *porch = data;
    int wait_ms = -1;
    bool listening = true;
    while (!is_stopping(porch)) {
        struct pollfd fds[2] = {
            {.fd = porch->nudge, .events = POLLIN},
            {.fd = listening ? porch->listener : -1, .events = POLLIN},
        };
        if (poll(fds, 2, wait_ms) < 0) {
            continue;
        }
        if (fds[0].revents) {
            eventfd_t ignored;
            eventfd_read(porch->nudge, &ignored);
        }
        bury_failed(porch);
        bool wanted = fds[1].revents || !listening;
        wait_ms = wanted ? make_room(porch) : -1;
        listening = wait_ms == 0 || !wanted;
        if (fds[1].revents && wait_ms == 0 && !take_in(porch)) {
            listening = false;
            wait_ms = BREATH_MS;
        } else if (listening) {
            wait_ms = -1;
        }
    }
    return NULL;
}

WirePorch *
wire_porch_open(int listener, const WireTlsCreds *creds, int patience_ms,
                GError **error)
{
    WirePorch *porch = g_new0(WirePorch, 1);
    porch->listener = listener;
    porch->creds = creds;
    porch->patience_ms = patience_ms;
    /* Who hangs up between poll() and accept() must not make us wait there. */
    fd_set_nonblocking(listener, true, NULL);
    porch->through = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK | EFD_SEMAPHORE);
    porch->nudge = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    g_queue_init(&porch->callers);
    pthread_mutex_init(&porch->lock, NULL);
    if (porch->through < 0 || porch->nudge < 0) {
        error_set_errno(error, errno, "descriptors for those who call");
    } else {
        porch->thread = thread_start("porch", porch_run, porch, error);
    }
    if (!porch->thread) {
        g_clear_pointer(&porch, wire_porch_close);
    }
    return porch;
}

void
wire_porch_close(WirePorch *porch)
{
    pthread_mutex_lock(&porch->lock);
    porch->stopping = true;
    pthread_mutex_unlock(&porch->lock);
    eventfd_write(porch->nudge, 1);
    if (porch->thread) {
        g_thread_join(porch->thread);
    }
    /* Nobody is added any more. */
    Caller *caller;
    while ((caller = g_queue_pop_head(&porch->callers))) {
        shutdown(caller->socket, SHUT_RDWR);
        caller_free(caller);
    }
    fd_clear(&porch->through);
    fd_clear(&porch->nudge);
    pthread_mutex_destroy(&porch->lock);
    g_free(porch);
}

int
wire_porch_fd(const WirePorch *porch)
{
    return porch->through;
}

static bool
has_hung_up(const WireLink *link)
{
    struct pollfd p = {.fd = wire_link_fd(link), .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0;
}

WireLink *
wire_porch_take(WirePorch *porch, WireHello *hello)
{
    WireLink *link = NULL;
    Caller *caller;
    while (!link && (caller = porch_steal(porch, GREETED))) {
        eventfd_t ignored;
        eventfd_read(porch->through, &ignored);
        if (!has_hung_up(caller->link)) {
            link = g_steal_pointer(&caller->link);
            *hello = caller->hello;
        }
        caller_free(caller);
        eventfd_write(porch->nudge, 1);
    }
    return link;
}
