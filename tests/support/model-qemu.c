/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A model of QEMU: a process with shared RAM, a guest thread that uses it, and
 * monitors that answer as QEMU 7.2 and 10.0 do. Moving its guest takes
 * milliseconds, and what happens between two commands can be chosen.
 *
 *   model-qemu QMP BOARD SLOT VERSION [incoming]
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "tests/support/model-command.h"

#define RAM_BYTES ((uint64_t)4 << 20)
#define IDLE_MS 1000
#define BUSY_MS 1

static ModelReply
execute(void *data, unsigned from, const char *command, JsonObject *arguments,
        int *fd)
{
    return model_command_run(data, from, command, arguments, fd);
}

static ModelBoard *
open_board(const char *path)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *board = mmap(NULL, sizeof(ModelBoard), PROT_READ | PROT_WRITE,
                       MAP_SHARED, fd, 0);
    return fd < 0 || board == MAP_FAILED ? NULL : board;
}

static void
serve(ModelQemu *qemu)
{
    while (!qemu->quitting) {
        bool again = model_migration_step(&qemu->migration);
        model_command_then(qemu);
        model_monitors_serve(qemu->monitors,
                             model_migration_fd(&qemu->migration),
                             again ? BUSY_MS : IDLE_MS);
    }
    if (qemu->machine.runs) {
        model_machine_halt(&qemu->machine, "shutdown");
    }
}

int
main(int argc, char **argv)
{
    static ModelQemu qemu;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (argc < 5) {
        return 2;
    }
    bool incoming = argc > 5;
    ModelBoard *board = open_board(argv[2]);
    if (!board) {
        fprintf(stderr, "model: cannot open %s\n", argv[2]);
        return 2;
    }
    qemu.version = (unsigned)atoi(argv[4]);
    qemu.name = "model";
    qemu.uuid = "00000000-0000-0000-0000-000000000000";
    qemu.fds = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    model_machine_init(&qemu.machine, board, (unsigned)atoi(argv[3]),
                       incoming);
    if (!model_machine_add_ram(&qemu.machine, "ram0", RAM_BYTES)) {
        return 2;
    }
    if (!incoming) {
        model_machine_boot(&qemu.machine);
        model_machine_run(&qemu.machine);
    }
    qemu.monitors =
        model_monitors_open(argv[1], qemu.version, execute, &qemu);
    model_migration_init(&qemu.migration, &qemu.machine, qemu.monitors,
                         qemu.version);
    serve(&qemu);
    return 0;
}
