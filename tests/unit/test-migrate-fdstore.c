/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * systemd's store, with us as systemd: what it is told and handed, and what a
 * process that it starts again takes out of it.
 */
#include "migrate/takeover/migrate-fdstore.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"

#define BLOCKS 2u

typedef struct {
    char *path;
    int socket;
    MigrateRam *ram;
} Scene;

static void
make_file(MigrateBlock *block, unsigned i)
{
    struct stat st;
    block->name = g_strdup_printf("block %u", i);
    block->file = memfd_create("ram", MFD_CLOEXEC);
    g_assert_cmpint(write(block->file, block->name, strlen(block->name)), >,
                    0);
    g_assert_no_errno(fstat(block->file, &st));
    block->inode = st.st_ino;
    block->dev_major = major(st.st_dev);
    block->dev_minor = minor(st.st_dev);
}

static bool
scene_init(Scene *s)
{
#ifndef HAVE_LIBSYSTEMD
    g_test_skip("built without libsystemd");
    return false;
#endif
    g_autofree char *dir = g_dir_make_tmp("postlude-notify-XXXXXX", NULL);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    s->path = g_build_filename(dir, "socket", NULL);
    s->socket = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    g_strlcpy(address.sun_path, s->path, sizeof address.sun_path);
    g_assert_no_errno(
        bind(s->socket, (struct sockaddr *)&address, sizeof address));
    g_setenv("NOTIFY_SOCKET", s->path, true);
    s->ram = g_new0(MigrateRam, 1);
    s->ram->n_blocks = BLOCKS;
    s->ram->blocks = g_new0(MigrateBlock, BLOCKS);
    for (unsigned i = 0; i < BLOCKS; i++) {
        make_file(&s->ram->blocks[i], i);
    }
    return true;
}

static void
scene_clear(Scene *s)
{
    g_autofree char *dir = g_path_get_dirname(s->path);
    g_unsetenv("NOTIFY_SOCKET");
    fd_clear(&s->socket);
    g_assert_no_errno(unlink(s->path));
    g_assert_no_errno(rmdir(dir));
    g_free(s->path);
    migrate_ram_free(s->ram);
}

/* One message, and the descriptor that came with it, or -1. */
static int
hear(Scene *s, char *text, size_t room)
{
    union {
        struct cmsghdr align;
        char room[256];
    } control;
    struct iovec iov = {.iov_base = text, .iov_len = room - 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1,
                             .msg_control = control.room,
                             .msg_controllen = sizeof control.room};
    ssize_t n = recvmsg(s->socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    int fd = -1;
    g_assert_cmpint(n, >, 0);
    text[n] = '\0';
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c;
         c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_type == SCM_RIGHTS) {
            memcpy(&fd, CMSG_DATA(c), sizeof fd);
        }
    }
    return fd;
}

/* What systemd starts again: the files lie from descriptor 3 on. */
static int
be_started_again(MigrateRam *ram, const int stored[BLOCKS])
{
    char pid[16];
    g_snprintf(pid, sizeof pid, "%d", (int)getpid());
    for (unsigned i = 0; i < BLOCKS; i++) {
        fd_clear(&ram->blocks[i].file);
    }
    int high[BLOCKS];
    for (unsigned i = 0; i < BLOCKS; i++) {
        high[i] = dup2(stored[i], 100 + (int)i);
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        dup2(high[i], 3 + (int)(BLOCKS - 1 - i)); /* in any order */
    }
    setenv("LISTEN_PID", pid, 1);
    setenv("LISTEN_FDS", "2", 1);
    migrate_fdstore_fetch(ram);
    for (unsigned i = 0; i < BLOCKS; i++) {
        char text[32] = "";
        if (ram->blocks[i].file < 0 ||
            pread(ram->blocks[i].file, text, sizeof text - 1, 0) <= 0 ||
            strcmp(text, ram->blocks[i].name) != 0) {
            return 1;
        }
    }
    return 0;
}

static void
there_and_back(void)
{
    Scene s;
    int stored[BLOCKS], status;
    char text[256];
    if (!scene_init(&s)) {
        return;
    }
    migrate_fdstore_put(s.ram);
    for (unsigned i = 0; i < BLOCKS; i++) {
        g_autofree char *name = g_strdup_printf("FDNAME=postlude-ram-%u", i);
        stored[i] = hear(&s, text, sizeof text);
        g_assert_cmpint(stored[i], >=, 0);
        g_assert_nonnull(strstr(text, "FDSTORE=1"));
        g_assert_nonnull(strstr(text, name));
    }
    pid_t child = fork();
    if (child == 0) {
        _exit(be_started_again(s.ram, stored));
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_cmpint(status, ==, 0);
    migrate_fdstore_clear(s.ram);
    for (unsigned i = 0; i < BLOCKS; i++) {
        g_assert_cmpint(hear(&s, text, sizeof text), ==, -1);
        g_assert_nonnull(strstr(text, "FDSTOREREMOVE=1"));
        fd_clear(&stored[i]);
    }
    scene_clear(&s);
}

static void
without_systemd(void)
{
    Scene s;
    if (!scene_init(&s)) {
        return;
    }
    g_unsetenv("NOTIFY_SOCKET");
    migrate_fdstore_put(s.ram);
    migrate_fdstore_fetch(s.ram);
    migrate_fdstore_clear(s.ram);
    char byte;
    g_assert_cmpint(recv(s.socket, &byte, 1, MSG_DONTWAIT), <, 0);
    scene_clear(&s);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fdstore/there-and-back", there_and_back);
    g_test_add_func("/fdstore/without-systemd", without_systemd);
    return g_test_run();
}
