/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Keeping RAM files open: see migrate-keeper.h.
 */
#include "migrate/migrate-keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

#define FIRST_FILE 3
#define ANSWER_MS 5000

#define FETCH 'f'
#define RELEASE 'r'
#define FILE_FOLLOWS 'd'
#define LAST 'l'

static bool
address_of(const char *path, struct sockaddr_un *address, GError **error)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    return g_strlcpy(address->sun_path, path, sizeof address->sun_path) <
               sizeof address->sun_path ||
           error_set(error, ERROR_FAILED, "path too long: %s", path);
}

/* A process of its own, of the same program: a copy of us by fork() alone would
 * hold whatever else we have open. GLib's double fork keeps it from being ours
 * to wait for. */
bool
migrate_keeper_start(const MigrateRam *ram, const char *path, GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autofree int *from = g_new(int, ram->n_blocks);
    g_autofree int *to = g_new(int, ram->n_blocks);
    g_autofree char *n = g_strdup_printf("%u", ram->n_blocks);
    const char *argv[] = {"/proc/self/exe", "keep", path, n, NULL};
    for (unsigned i = 0; i < ram->n_blocks; i++) {
        from[i] = ram->blocks[i].file;
        to[i] = FIRST_FILE + (int)i;
    }
    if (!g_spawn_async_with_pipes_and_fds(
            "/", argv, NULL,
            G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL,
            NULL, -1, -1, -1, from, to, ram->n_blocks, NULL, NULL, NULL, NULL,
            &why)) {
        return error_set(error, ERROR_FAILED, "start the keeper: %s",
                         why->message);
    }
    return true;
}

static int
dial(const char *path, char word, GError **error)
{
    struct sockaddr_un address;
    autofd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (!address_of(path, &address, error)) {
        return -1;
    }
    if (fd < 0 ||
        connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        error_set(error, ERROR_PEER_GONE,
                  "no keeper of the guest's memory at %s: %s", path,
                  g_strerror(errno));
        return -1;
    }
    return fd_write_all(fd, &word, 1, fd_deadline_ns(ANSWER_MS), error)
               ? fd_steal(&fd)
               : -1;
}

bool
migrate_keeper_fetch(const char *path, MigrateRam *ram, GError **error)
{
    autofd fd = dial(path, FETCH, error);
    if (fd < 0) {
        return false;
    }
    for (unsigned i = 0; i <= WIRE_MAX_BLOCKS; i++) {
        char word = 0;
        int file = fd_receive_fd(fd, &word, fd_deadline_ns(ANSWER_MS), NULL);
        if (file < 0) {
            return word == LAST ||
                   error_set(error, ERROR_PROTOCOL,
                             "the keeper at %s broke off", path);
        }
        migrate_ram_adopt_file(ram, file);
    }
    return error_set(error, ERROR_PROTOCOL, "the keeper at %s has no end",
                     path);
}

void
migrate_keeper_release(const char *path)
{
    autofd fd = dial(path, RELEASE, NULL);
    char word;
    if (fd >= 0) {
        /* It ends by hanging up; then its socket is gone as well. */
        fd_read_all(fd, &word, 1, fd_deadline_ns(ANSWER_MS), NULL);
    }
}

/* One that is there belongs to a sender that was killed before the guest left:
 * without its socket nobody could tell it to let the memory go. */
static int
listen_at(const char *path)
{
    struct sockaddr_un address;
    migrate_keeper_release(path);
    autofd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    mode_t before = umask(0177);
    bool ok = fd >= 0 && address_of(path, &address, NULL) &&
              (unlink(path) == 0 || errno == ENOENT) &&
              bind(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
              listen(fd, 8) == 0;
    umask(before);
    return ok ? fd_steal(&fd) : -1;
}

static bool
may_ask(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

static void
give_files(int fd, unsigned n)
{
    const char word = FILE_FOLLOWS, last = LAST;
    bool ok = true;
    for (unsigned i = 0; ok && i < n; i++) {
        ok = fd_send_with_fd(fd, &word, 1, FIRST_FILE + (int)i, NULL);
    }
    if (ok) {
        fd_write_all(fd, &last, 1, fd_deadline_ns(ANSWER_MS), NULL);
    }
}

/* Its memory is all there is of the guest's: the kernel must not take it for
 * the process to end, nor a terminal's hang-up. */
static void
harden(void)
{
    autofd fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0 && write(fd, "-1000", 5) < 0) {
        g_debug("the OOM killer may take the keeper");
    }
    setsid();
    signal(SIGHUP, SIG_IGN);
    signal(SIGINT, SIG_IGN);
    signal(SIGPIPE, SIG_IGN);
}

int
migrate_keeper_run(const char *path, unsigned n)
{
    harden();
    autofd listener = listen_at(path);
    if (listener < 0 || n > WIRE_MAX_BLOCKS) {
        return 1;
    }
    for (char word = 0; word != RELEASE;) {
        autofd fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 || !may_ask(fd) ||
            !fd_read_all(fd, &word, 1, fd_deadline_ns(ANSWER_MS), NULL)) {
            word = 0;
            continue;
        }
        if (word == FETCH) {
            give_files(fd, n);
        } else if (word == RELEASE) {
            unlink(path);
        }
    }
    return 0;
}
