/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Keeping RAM files open: see migrate-keeper.h.
 */
#include "migrate/takeover/migrate-keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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
#define START_MS 20000

#define FETCH 'f'
#define RELEASE 'r'
#define FILE_FOLLOWS 'd'
#define LAST 'l'
#define READY 'k' /* on the life line: to whoever started it */
#define COMMIT 'c' /* and back */

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
static bool
keeper_spawn(const MigrateRam *ram, const char *path, uid_t user, int life,
             GError **error)
{
    g_autoptr(GError) why = NULL;
    g_autofree int *from = g_new(int, ram->n_blocks + 1);
    g_autofree int *to = g_new(int, ram->n_blocks + 1);
    g_autofree char *n = g_strdup_printf("%u", ram->n_blocks);
    g_autofree char *who = g_strdup_printf("%u", (unsigned)user);
    const char *argv[] = {"/proc/self/exe", "keep", path, n, who, NULL};
    for (unsigned i = 0; i <= ram->n_blocks; i++) {
        from[i] = i < ram->n_blocks ? ram->blocks[i].file : life;
        to[i] = FIRST_FILE + (int)i;
    }
    if (!g_spawn_async_with_pipes_and_fds(
            "/", argv, NULL,
            G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL,
            NULL, -1, -1, -1, from, to, ram->n_blocks + 1, NULL, NULL, NULL,
            NULL, &why)) {
        return error_set(error, ERROR_FAILED, "start the keeper: %s",
                         why->message);
    }
    return true;
}

int
migrate_keeper_start(const MigrateRam *ram, const char *path, uid_t user,
                     GError **error)
{
    int ends[2];
    char word;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        error_set_errno(error, errno, "a socket pair for the keeper");
        return -1;
    }
    autofd ours = ends[0], theirs = ends[1];
    if (!keeper_spawn(ram, path, user, theirs, error)) {
        return -1;
    }
    fd_clear(&theirs);
    if (!fd_read_all(ours, &word, 1, fd_deadline_ns(START_MS), error)) {
        g_prefix_error(error, "start the keeper: ");
        return -1;
    }
    return fd_steal(&ours);
}

void
migrate_keeper_commit(int *life)
{
    const char word = COMMIT;
    if (*life >= 0 &&
        !fd_write_all(*life, &word, 1, fd_deadline_ns(ANSWER_MS), NULL)) {
        g_warning("the keeper of the guest's memory has ended: if this "
                  "process is killed as well, only QEMU has the memory");
    }
    fd_clear(life);
}

static int
keeper_dial(const char *path, char word, GError **error)
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
    autofd fd = keeper_dial(path, FETCH, error);
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
    autofd fd = keeper_dial(path, RELEASE, NULL);
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
may_ask(int fd, uid_t user)
{
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid() || peer.uid == user);
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
keeper_harden(void)
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

/* Waits for a caller. False: whoever started it has ended without having
 * needed it. */
static bool
wait_for_caller(int listener, int *life)
{
    struct pollfd p[] = {{.fd = listener, .events = POLLIN},
                         {.fd = *life, .events = POLLIN}};
    while (poll(p, G_N_ELEMENTS(p), -1) < 0 && errno == EINTR) {
    }
    if (p[1].revents) {
        char word = 0;
        bool committed = read(*life, &word, 1) == 1 && word == COMMIT;
        fd_clear(life);
        p[1].fd = -1;
        if (!committed) {
            return false;
        }
    }
    return true;
}

/* Not another's, who has taken the name since. */
static void
remove_name(const char *path, const struct stat *ours)
{
    struct stat named;
    if (lstat(path, &named) == 0 && named.st_ino == ours->st_ino &&
        named.st_dev == ours->st_dev) {
        unlink(path);
    }
}

int
migrate_keeper_run(const char *path, unsigned n, uid_t user)
{
    const char ready = READY;
    int life = FIRST_FILE + (int)n;
    struct stat ours = {0};
    keeper_harden();
    autofd listener = listen_at(path);
    if (listener < 0 || lstat(path, &ours) < 0 || n > WIRE_MAX_BLOCKS ||
        !fd_write_all(life, &ready, 1, 0, NULL)) {
        remove_name(path, &ours);
        return 1;
    }
    for (char word = 0; word != RELEASE;) {
        /* PATH may be another's by now: who takes a dead sender's place
         * starts a keeper too. What stays there answers nobody. */
        if (!wait_for_caller(listener, &life)) {
            remove_name(path, &ours);
            return 0;
        }
        if (poll(&(struct pollfd){.fd = listener, .events = POLLIN}, 1, 0) <=
            0) {
            continue;
        }
        autofd fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0 || !may_ask(fd, user) ||
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
