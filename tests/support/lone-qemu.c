/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One QEMU for host tests: see lone-qemu.h.
 */
#include "tests/support/lone-qemu.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/support/victim-run.h"

#define NOBODY "65534"
#define ANSWER_MS 20000
#define SECTOR_BYTES 512

static const char sandbox[] = "on,obsolete=deny,elevateprivileges=deny,"
                              "spawn=deny,resourcecontrol=deny";

static void
write_boot_sector(const char *path, bool spin)
{
    char sector[SECTOR_BYTES] = {0};
    static const char idle_code[] = "\xfb\xf4\xeb\xfc"; /* sti hlt jmp */
    static const char spin_code[] = "\xfb\xeb\xfe";     /* sti jmp */
    g_autoptr(GError) error = NULL;
    memcpy(sector, spin ? spin_code : idle_code, spin ? 3 : 4);
    memcpy(sector + 510, "\x55\xaa", 2);
    g_file_set_contents(path, sector, sizeof sector, &error);
    g_assert_no_error(error);
    chmod(path, 0666);
}

static GPtrArray *
arguments(const LoneQemuOptions *options, const char *dir)
{
    GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);
    static const char *const drop[] = {
        "setpriv",          "--reuid=" NOBODY,  "--regid=" NOBODY,
        "--clear-groups",   "--inh-caps=-all",  "--bounding-set=-all",
        "--no-new-privs",
    };
    for (gsize i = 0; options->unprivileged && i < G_N_ELEMENTS(drop); i++) {
        g_ptr_array_add(argv, g_strdup(drop[i]));
    }
    const char *binary = g_getenv("QEMU");
    g_autofree char *line = g_strdup_printf(
        "%s -nodefaults -display none -machine pc -m 32 -accel %s -sandbox %s "
        "-qmp unix:%s/qmp,server=on,wait=off "
        "-drive file=%s/disk,format=raw,if=ide",
        binary ? binary : "qemu-system-x86_64", options->accel, sandbox, dir,
        dir);
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    for (char **word = words; *word; word++) {
        g_ptr_array_add(argv, g_strdup(*word));
    }
    g_ptr_array_add(argv, NULL);
    return argv;
}

static void
die_with_parent(gpointer unused)
{
    (void)unused;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static int
connect_to(const char *path, pid_t pid)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_assert_cmpuint(strlen(path), <, sizeof address.sun_path);
    strcpy(address.sun_path, path);
    for (int i = 0; i < ANSWER_MS / 10; i++) {
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) {
            return fd;
        }
        close(fd);
        if (waitpid(pid, NULL, WNOHANG) == pid) {
            return -1;
        }
        g_usleep(10000);
    }
    return -1;
}

static char *
read_line(int fd)
{
    g_autoptr(GString) line = g_string_new(NULL);
    g_autoptr(GError) error = NULL;
    uint64_t deadline = fd_deadline_ns(ANSWER_MS);
    for (char c = 0; c != '\n';) {
        fd_read_all(fd, &c, 1, deadline, &error);
        g_assert_no_error(error);
        g_string_append_c(line, c);
    }
    return g_strdup(line->str);
}

char *
lone_qemu_ask(LoneQemu *qemu, const char *command, int passed)
{
    g_autoptr(GError) error = NULL;
    if (passed >= 0) {
        fd_send_with_fd(qemu->monitor, command, strlen(command), passed,
                        &error);
    } else {
        fd_write_all(qemu->monitor, command, strlen(command),
                     fd_deadline_ns(ANSWER_MS), &error);
    }
    g_assert_no_error(error);
    for (;;) {
        char *line = read_line(qemu->monitor);
        if (g_str_has_prefix(line, "{\"return\"") ||
            g_str_has_prefix(line, "{\"error\"")) {
            return line;
        }
        g_free(line); /* an event */
    }
}

static void
remove_dir(const char *dir)
{
    g_autofree char *monitor = g_build_filename(dir, "qmp", NULL);
    g_autofree char *disk = g_build_filename(dir, "disk", NULL);
    unlink(monitor);
    unlink(disk);
    rmdir(dir);
}

bool
lone_qemu_start(LoneQemu *qemu, const LoneQemuOptions *options)
{
    g_autoptr(GError) error = NULL;
    if (strcmp(options->accel, "kvm") == 0 && access("/dev/kvm", R_OK) < 0) {
        victim_run_skip("no /dev/kvm");
        return false;
    }
    qemu->dir = g_dir_make_tmp("lone-qemu-XXXXXX", &error);
    g_assert_no_error(error);
    chmod(qemu->dir, 0777);
    g_autofree char *disk = g_build_filename(qemu->dir, "disk", NULL);
    g_autofree char *monitor = g_build_filename(qemu->dir, "qmp", NULL);
    write_boot_sector(disk, options->spin);
    g_autoptr(GPtrArray) argv = arguments(options, qemu->dir);
    GPid pid;
    qemu->monitor = -1;
    if (g_spawn_async(NULL, (char **)argv->pdata, NULL,
                      G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_SEARCH_PATH,
                      die_with_parent, NULL, &pid, &error)) {
        qemu->pid = pid;
        qemu->monitor = connect_to(monitor, pid);
    }
    if (qemu->monitor < 0) {
        victim_run_skip(error ? error->message : "QEMU does not start here");
        remove_dir(qemu->dir);
        g_free(qemu->dir);
        return false;
    }
    g_free(read_line(qemu->monitor));
    g_free(lone_qemu_ask(qemu, "{\"execute\":\"qmp_capabilities\"}\n", -1));
    return true;
}

void
lone_qemu_prove(LoneQemu *qemu)
{
    g_autofree char *answer =
        lone_qemu_ask(qemu, "{\"execute\":\"query-status\"}\n", -1);
    g_assert_nonnull(strstr(answer, "\"running\": true"));
}

void
lone_qemu_stop(LoneQemu *qemu)
{
    kill(qemu->pid, SIGKILL);
    waitpid(qemu->pid, NULL, 0);
    close(qemu->monitor);
    remove_dir(qemu->dir);
    g_free(qemu->dir);
}
