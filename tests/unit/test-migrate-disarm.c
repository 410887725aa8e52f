/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Taking the arming back: the files are emptied once, and before QEMU is let
 * go. Whoever was given this QEMU meanwhile waits at its first page until then.
 * This process is its own QEMU.
 */
#include "migrate/drive/migrate-arm.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests/unit/session-scene.h"
#include "uffd/uffd-fd.h"

#define BYTES (64 * PAGE_BYTES)

typedef struct {
    SessionScene scene;
    uint8_t *memory;
} Armed;

static void
init(Armed *a)
{
    session_scene_init(&a->scene, MIGRATE_RECEIVE);
    MigrateBlock *block = &a->scene.session->guest.ram->blocks[0];
    block->bytes = BYTES;
    block->pages = BYTES / PAGE_BYTES;
    block->extents = 1;
    block->file = memfd_create("ram", MFD_CLOEXEC);
    g_assert_no_errno(ftruncate(block->file, BYTES));
    a->memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
                     block->file, 0);
    g_assert_true(a->memory != MAP_FAILED);
    block->hva = (uint64_t)(uintptr_t)a->memory;
    a->scene.session->destination.emptied = true;
}

static void
clear(Armed *a)
{
    session_scene_clear(&a->scene);
    munmap(a->memory, BYTES);
}

static uint8_t
in_file(const Armed *a, uint64_t offset)
{
    uint8_t byte = 0xff;
    g_assert_cmpint(pread(a->scene.session->guest.ram->blocks[0].file, &byte, 1,
                          (off_t)offset), ==, 1);
    return byte;
}

static void
once(void)
{
    Armed a;
    init(&a);
    a.memory[0] = 1;
    migrate_disarm(a.scene.session);
    g_assert_cmpint(in_file(&a, 0), ==, 0);
    a.memory[0] = 2; /* the undo of an earlier stage comes here as well */
    migrate_disarm(a.scene.session);
    g_assert_cmpint(in_file(&a, 0), ==, 2);
    clear(&a);
}

static gpointer
fill(gpointer data)
{
    Armed *a = data;
    for (uint64_t i = 0; i < BYTES; i += PAGE_BYTES) {
        a->memory[i] = 3;
    }
    return NULL;
}

static void
before_it_is_let_go(void)
{
    Armed a;
    g_autoptr(GError) error = NULL;
    init(&a);
    MigrateSession *session = a.scene.session;
    int uffd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
    if (uffd < 0) {
        g_test_skip("no userfaultfd for this user");
        clear(&a);
        return;
    }
    g_assert_true(uffd_fd_handshake(uffd, &error));
    g_assert_true(uffd_fd_register(uffd, (uint64_t)(uintptr_t)a.memory, BYTES,
                                   &error));
    session->destination.uffd = uffd;
    GThread *other = g_thread_new("other", fill, &a);
    struct pollfd p = {.fd = uffd, .events = POLLIN};
    g_assert_cmpint(poll(&p, 1, 10000), ==, 1);
    migrate_disarm(session);
    g_thread_join(other);
    for (uint64_t i = 0; i < BYTES; i += PAGE_BYTES) {
        g_assert_cmpint(in_file(&a, i), ==, 3);
    }
    clear(&a);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/disarm/once", once);
    g_test_add_func("/disarm/before-it-is-let-go", before_it_is_let_go);
    return g_test_run();
}
