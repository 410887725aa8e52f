/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A process beside QEMU that maps the RAM file, and two QEMUs that were given
 * one file by name: both are refused, because their faults would not be ours.
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/support/vm-expect.h"

/* QEMU's own descriptor of its RAM file. */
static int
open_ram_file(VmQemu *vm)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", vm_qemu_pid(vm));
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    int fd = -1;
    while (fd < 0 && (name = g_dir_read_name(dir))) {
        g_autofree char *link = g_build_filename(path, name, NULL);
        g_autofree char *target = g_file_read_link(link, NULL);
        if (target && strstr(target, "/qemu_back_mem.m0.")) {
            fd = open(link, O_RDWR | O_CLOEXEC);
        }
    }
    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static pid_t
fork_mapper(VmQemu *vm)
{
    autofd fd = open_ram_file(vm);
    int ready[2];
    g_assert_cmpint(pipe(ready), ==, 0);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        void *at = mmap(NULL, 1 << 20, PROT_READ, MAP_SHARED, fd, 0);
        ssize_t written = write(ready[1], at == MAP_FAILED ? "n" : "y", 1);
        for (;;) {
            pause();
        }
        _exit(written != 1);
    }
    char answer = 'n';
    g_assert_cmpint(read(ready[0], &answer, 1), ==, 1);
    g_assert_cmpint(answer, ==, 'y');
    close(ready[0]);
    close(ready[1]);
    return pid;
}

static void
refuse(VmQemu *vm, const char *verb, const char *who)
{
    bool send = g_str_equal(verb, "send");
    const char *args[] = {"--qmp", vm_qemu_tool_socket(vm),
                          send ? "--listen" : "--connect", "127.0.0.1:9",
                          NULL};
    vm_expect_refusal(verb, args, 1, "maps RAM block 'm0' as well");
    vm_expect_refusal(verb, args, 1, who);
}

static void
test_a_process(gconstpointer data)
{
    bool at_source = GPOINTER_TO_INT(data);
    g_autoptr(VmPair) pair = vm_expect_pair(64);
    if (!pair) {
        return;
    }
    VmQemu *vm = at_source ? pair->source : pair->destination;
    pid_t mapper = fork_mapper(vm);
    g_autofree char *who = g_strdup_printf("process %d (", mapper);
    refuse(vm, at_source ? "send" : "receive", who);
    kill(mapper, SIGKILL);
    waitpid(mapper, NULL, 0);
    vm_expect_at_home(pair);
    vm_expect_waiting(pair);
    vm_expect_moves(pair);
}

static void
test_one_file_for_both(void)
{
    if (vm_qemu_skip(vm_qemu_why_not(VM_QEMU_HOST, false))) {
        return;
    }
    g_autofree char *path =
        g_strdup_printf("/dev/shm/postlude-one-file-%d", getpid());
    VmQemuOptions options = vm_expect_options(64);
    options.memory[0].path = path;
    g_autoptr(VmPair) pair = vm_expect_pair_of(&options, &options);
    g_autofree char *destination =
        g_strdup_printf("process %d (", vm_qemu_pid(pair->destination));
    g_autofree char *source =
        g_strdup_printf("process %d (", vm_qemu_pid(pair->source));
    refuse(pair->source, "send", destination);
    refuse(pair->destination, "receive", source);
    vm_expect_beats(pair->source);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/somebody-else/a-process-at-the-source",
                         GINT_TO_POINTER(true), test_a_process);
    g_test_add_data_func("/somebody-else/a-process-at-the-destination",
                         GINT_TO_POINTER(false), test_a_process);
    g_test_add_func("/somebody-else/one-file-for-both",
                    test_one_file_for_both);
    return g_test_run();
}
