/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * RUN has been said, and the destination's QEMU cannot start the guest: its
 * disk is locked by somebody else, or it dies. Only the receiver knows that the
 * guest did not run there; it says so, and the guest goes on at the source. One
 * that does not answer is no proof of anything: then there is no way back.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/support/vm-expect.h"
#include "tests/support/vm-passage.h"

#define DISK_BYTES (1 << 20)
/* QEMU says by read locks on these bytes of an image what it does with it and
 * what it lets nobody else do, and respects what others say
 * (block/file-posix.c). All of them: somebody who shares nothing. */
#define QEMU_LOCKS_START 100
#define QEMU_LOCKS_BYTES 200

typedef struct {
    VmProxy *proxy;
    VmTool *send, *receive;
} Scene;

/* RUN arrives seconds after the source has said it; what comes before the
 * switchover need not take so long. */
static Scene
begin(VmPair *pair)
{
    g_autoptr(GError) error = NULL;
    Scene s = {.proxy = vm_proxy_start_before(pair->port, 1, &error)};
    g_assert_no_error(error);
    vm_passage_order(s.proxy, "delay control to-destination 500");
    s.send = vm_expect_send(pair, NULL);
    s.receive = vm_pair_receive_from(pair, vm_proxy_address(s.proxy), NULL,
                                     &error);
    g_assert_no_error(error);
    vm_expect_says(s.send, "stage switchover");
    vm_passage_order(s.proxy, "delay control to-destination 4000");
    vm_expect_says(s.send, "QEMU: MIGRATION completed");
    vm_expect_says(s.receive, "QEMU: MIGRATION completed");
    return s;
}

static void
end(Scene *s)
{
    vm_tool_free(s->send);
    vm_tool_free(s->receive);
    vm_proxy_free(s->proxy);
}

static void
expect_home(VmPair *pair, Scene *s, const char *reason)
{
    g_autoptr(GError) error = NULL;
    vm_expect_end(s->receive, 60000, 1, reason);
    vm_expect_end(s->send, 60000, 1, "the guest runs on the source");
    end(s);
    vm_expect_at_home(pair);
    vm_pair_renew_destination(pair, &error);
    g_assert_no_error(error);
}

static void
dies(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    Scene s = begin(pair);
    vm_child_kill(vm_qemu_child(pair->destination), SIGKILL);
    expect_home(pair, &s, "");
    vm_expect_moves(pair);
}

static void
does_not_answer(void)
{
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    Scene s = begin(pair);
    vm_child_kill(vm_qemu_child(pair->destination), SIGSTOP);
    vm_expect_says(s.receive, "peer: RUN");
    /* The monitor is waited for half a minute. */
    g_autoptr(GError) error = NULL;
    vm_tool_wait_stderr(s.receive, "there is no way back", 60000, &error);
    g_assert_no_error(error);
    g_assert_false(vm_child_has_ended(vm_tool_child(s.send), NULL));
    vm_child_kill(vm_qemu_child(pair->destination), SIGCONT);
    vm_expect_arrives(pair, s.send, s.receive);
    end(&s);
}

static int
make_disk(const char *directory, const char *name, char **drive)
{
    g_autofree char *path = g_build_filename(directory, name, NULL);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    g_assert_no_errno(ftruncate(fd, DISK_BYTES));
    *drive = g_strdup_printf("file=%s,format=raw,if=virtio,file.locking=on",
                             path);
    return fd;
}

static void
is_refused_its_disk(void)
{
    g_autoptr(GError) error = NULL;
    if (vm_qemu_skip(vm_qemu_why_not(VM_QEMU_HOST, false))) {
        return;
    }
    g_autofree char *directory = vm_child_make_directory("postlude-disk",
                                                         &error);
    g_assert_no_error(error);
    g_autofree char *here = NULL, *there = NULL;
    autofd unlocked = make_disk(directory, "source", &here);
    autofd locked = make_disk(directory, "destination", &there);
    const char *const extra_here[] = {"-drive", here, NULL};
    const char *const extra_there[] = {"-drive", there, NULL};
    VmQemuOptions source = vm_expect_options(64), destination = source;
    source.extra = extra_here;
    destination.extra = extra_there;
    g_autoptr(VmPair) pair = vm_expect_pair_of(&source, &destination);
    struct flock lock = {.l_type = F_RDLCK, .l_whence = SEEK_SET,
                         .l_start = QEMU_LOCKS_START,
                         .l_len = QEMU_LOCKS_BYTES};
    g_assert_no_errno(fcntl(locked, F_OFD_SETLK, &lock));
    Scene s = begin(pair);
    expect_home(pair, &s, "lock");
    lock.l_type = F_UNLCK;
    g_assert_no_errno(fcntl(locked, F_OFD_SETLK, &lock));
    vm_expect_moves(pair);
    vm_pair_free(g_steal_pointer(&pair));
    vm_child_remove_directory(directory);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_func("/a-destination-that-does-not-start/dies", dies);
    g_test_add_func("/a-destination-that-does-not-start/disk",
                    is_refused_its_disk);
    g_test_add_func("/a-destination-that-does-not-start/silent",
                    does_not_answer);
    return g_test_run();
}
