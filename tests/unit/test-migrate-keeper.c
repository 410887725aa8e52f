/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The keeper keeps: the files come back after everybody else has closed them,
 * only those that are asked for, until it is released.
 */
#include "migrate/takeover/migrate-keeper.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/range.h"

static void
make_file(MigrateBlock *block, const char *text)
{
    struct stat st;
    block->name = g_strdup(text);
    block->file = memfd_create("ram", MFD_CLOEXEC);
    g_assert_cmpint(write(block->file, text, strlen(text)), >, 0);
    g_assert_no_errno(fstat(block->file, &st));
    block->inode = st.st_ino;
    block->dev_major = major(st.st_dev);
    block->dev_minor = minor(st.st_dev);
}

static MigrateRam *
make_ram(unsigned n)
{
    MigrateRam *ram = g_new0(MigrateRam, 1);
    ram->n_blocks = n;
    ram->blocks = g_new0(MigrateBlock, n);
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *text = g_strdup_printf("block %u", i);
        make_file(&ram->blocks[i], text);
    }
    return ram;
}

static void
assert_back(const MigrateBlock *block)
{
    char text[32] = "";
    g_assert_cmpint(block->file, >=, 0);
    g_assert_cmpint(pread(block->file, text, sizeof text - 1, 0), >, 0);
    g_assert_cmpstr(text, ==, block->name);
}

static void
fetch(const char *path, MigrateRam *ram)
{
    g_autoptr(GError) error = NULL;
    for (int i = 0; i < 500 && !migrate_keeper_fetch(path, ram, &error); i++) {
        g_clear_error(&error);
        g_usleep(10000); /* it is just being born */
    }
    g_assert_no_error(error);
}

static void
keeps(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *dir = g_dir_make_tmp("postlude-keeper-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "socket", NULL);
    g_autoptr(MigrateRam) ram = make_ram(3);
    int life = migrate_keeper_start(ram, path, geteuid(), &error);
    g_assert_no_error(error);
    migrate_keeper_commit(&life);
    for (unsigned round = 0; round < 3; round++) {
        fd_clear(&ram->blocks[0].file);
        fd_clear(&ram->blocks[2].file);
        fetch(path, ram);
        for (unsigned i = 0; i < 3; i++) {
            assert_back(&ram->blocks[i]);
        }
    }
    struct stat st;
    g_assert_no_errno(stat(path, &st));
    g_assert_cmphex(st.st_mode & 0777, ==, 0600);
    migrate_keeper_release(path);
    g_assert_false(migrate_keeper_fetch(path, ram, &error));
    g_assert_true(error_is(error, ERROR_PEER_GONE));
    g_assert_cmpint(access(path, F_OK), <, 0);
    g_assert_no_errno(rmdir(dir));
}

static void
strange_files(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *dir = g_dir_make_tmp("postlude-keeper-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "socket", NULL);
    g_autoptr(MigrateRam) kept = make_ram(2);
    g_autoptr(MigrateRam) ours = make_ram(2);
    int life = migrate_keeper_start(kept, path, geteuid(), &error);
    g_assert_no_error(error);
    migrate_keeper_commit(&life);
    fd_clear(&ours->blocks[0].file);
    fetch(path, ours);
    g_assert_cmpint(ours->blocks[0].file, ==, -1); /* it never had that one */
    migrate_keeper_release(path);
    migrate_keeper_release(path); /* nobody there: no harm */
    g_assert_no_errno(rmdir(dir));
}

/* Readable when the keeper at PATH has ended. */
static int
watch_keeper(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct ucred who;
    socklen_t size = sizeof who;
    autofd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_strlcpy(address.sun_path, path, sizeof address.sun_path);
    g_assert_no_errno(connect(fd, (struct sockaddr *)&address,
                              sizeof address));
    g_assert_no_errno(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size));
    int pidfd = (int)syscall(SYS_pidfd_open, who.pid, 0);
    g_assert_cmpint(pidfd, >=, 0);
    return pidfd;
}

/* Left alone, it would hold a guest's memory until the host goes down. */
static void
a_new_one_ends_the_old_one(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *dir = g_dir_make_tmp("postlude-keeper-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "socket", NULL);
    g_autoptr(MigrateRam) ram = make_ram(1);
    autofd first = migrate_keeper_start(ram, path, geteuid(), &error);
    g_assert_no_error(error);
    fetch(path, ram);
    autofd old = watch_keeper(path);
    autofd second = migrate_keeper_start(ram, path, geteuid(), &error);
    g_assert_no_error(error);
    fd_wait(old, POLLIN, fd_deadline_ns(20000), &error);
    g_assert_no_error(error);
    fd_clear(&ram->blocks[0].file);
    fetch(path, ram);
    assert_back(&ram->blocks[0]);
    migrate_keeper_release(path);
    g_assert_no_errno(rmdir(dir));
}

/* While the guest runs at the source: then the keeper is of no use to anybody
 * and would hold its memory for ever. */
static void
ends_with_its_starter(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *dir = g_dir_make_tmp("postlude-keeper-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "socket", NULL);
    g_autoptr(MigrateRam) ram = make_ram(1);
    int life = migrate_keeper_start(ram, path, geteuid(), &error);
    g_assert_no_error(error);
    autofd keeper = watch_keeper(path);
    fd_clear(&life);
    fd_wait(keeper, POLLIN, fd_deadline_ns(20000), &error);
    g_assert_no_error(error);
    g_assert_false(migrate_keeper_fetch(path, ram, NULL));
    /* Its name goes with it. */
    g_assert_no_errno(rmdir(dir));
}

int
main(int argc, char **argv)
{
    /* What migrate_keeper_start() runs is this program. */
    if (argc == 5 && g_str_equal(argv[1], "keep")) {
        return migrate_keeper_run(argv[2], (unsigned)atoi(argv[3]),
                                  (uid_t)strtoul(argv[4], NULL, 10));
    }
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/keeper/keeps", keeps);
    g_test_add_func("/keeper/strange-files", strange_files);
    g_test_add_func("/keeper/replaced", a_new_one_ends_the_old_one);
    g_test_add_func("/keeper/ends-with-its-starter", ends_with_its_starter);
    return g_test_run();
}
