/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * khugepaged's settings and their guard: see bench-khugepaged.h.
 */
#include "tests/bench/bench-khugepaged.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

#define DIRECTORY "/sys/kernel/mm/transparent_hugepage/khugepaged"
#define VALUE_BYTES 32

/* The sleep comes last: writing it wakes khugepaged (mm/khugepaged.c,
 * scan_sleep_millisecs_store), which shall find the others as they are to
 * be. */
static const struct {
    const char *name;
    const char *asleep, *aggressive; /* NULL: as found */
} settings[] = {
    {"defrag", NULL, "1"},
    {"pages_to_scan", "1", "16777216"},
    {"alloc_sleep_millisecs", NULL, "0"},
    {"scan_sleep_millisecs", "3600000", "0"},
};
#define SETTINGS G_N_ELEMENTS(settings)

struct BenchKhugepaged {
    int directory;
    int alive; /* the guard has the other end: closed with this process */
    pid_t guard;
    char found[SETTINGS][VALUE_BYTES];
    char *text;
};

/* What a guard may do after fork(): system calls only. */
static bool
put(int directory, const char *name, const char *value)
{
    int fd = openat(directory, name, O_WRONLY | O_CLOEXEC);
    size_t bytes = strlen(value);
    bool ok = fd >= 0 && write(fd, value, bytes) == (ssize_t)bytes;
    if (fd >= 0) {
        close(fd);
    }
    return ok;
}

static bool
take(BenchKhugepaged *khugepaged, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (size_t i = 0; i < SETTINGS; i++) {
        autofd fd = openat(khugepaged->directory, settings[i].name,
                           O_RDONLY | O_CLOEXEC);
        ssize_t n = fd < 0 ? -1 : read(fd, khugepaged->found[i],
                                       VALUE_BYTES - 1);
        if (n <= 0) {
            return error_set_errno(error, errno, "cannot read %s/%s",
                                   DIRECTORY, settings[i].name);
        }
        g_strchomp(khugepaged->found[i]);
        g_string_append_printf(text, "%s%s=%s", i ? " " : "",
                               settings[i].name, khugepaged->found[i]);
    }
    khugepaged->text = g_string_free(g_steal_pointer(&text), false);
    return true;
}

/* In the child. A session of its own: a Ctrl-C, or a kill of the whole group,
 * must not end the one that has to repair what it leaves behind. */
static void G_GNUC_NORETURN
guard(const BenchKhugepaged *khugepaged, int gone)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};
    char byte;
    setsid();
    for (size_t i = 0; i < G_N_ELEMENTS(signals); i++) {
        signal(signals[i], SIG_IGN);
    }
    byte = 'r';
    if (write(gone, &byte, 1) != 1) {
        _exit(1);
    }
    while (read(gone, &byte, 1) < 0 && errno == EINTR) {
    }
    bool ok = true;
    for (size_t i = 0; i < SETTINGS; i++) {
        ok = put(khugepaged->directory, settings[i].name,
                 khugepaged->found[i]) && ok;
    }
    _exit(ok ? 0 : 1);
}

/* Nothing is changed before the guard has said that it is out of reach: until
 * its setsid() a signal to the group takes it along. */
static bool
start_guard(BenchKhugepaged *khugepaged, GError **error)
{
    int ends[2];
    char ready;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        return error_set_errno(error, errno, "socketpair");
    }
    khugepaged->guard = fork();
    if (khugepaged->guard == 0) {
        close(ends[1]);
        guard(khugepaged, ends[0]);
    }
    close(ends[0]);
    khugepaged->alive = ends[1];
    return (khugepaged->guard > 0 &&
            fd_read_all(khugepaged->alive, &ready, 1, 0, NULL)) ||
           error_set(error, ERROR_FAILED, "the guard cannot be started");
}

BenchKhugepaged *
bench_khugepaged_open(GError **error)
{
    g_autoptr(BenchKhugepaged) khugepaged = g_new0(BenchKhugepaged, 1);
    khugepaged->alive = -1;
    khugepaged->directory =
        open(DIRECTORY, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (khugepaged->directory < 0) {
        error_set_errno(error, errno, "cannot open %s", DIRECTORY);
        return NULL;
    }
    /* The lock belongs to the open directory, which the guard has as well: it
     * ends when the old values are back. */
    if (flock(khugepaged->directory, LOCK_EX | LOCK_NB) < 0) {
        error_set_errno(error, errno, "another benchmark has changed the "
                        "settings of khugepaged; wait for its end");
        return NULL;
    }
    if (!take(khugepaged, error) || !start_guard(khugepaged, error)) {
        return NULL;
    }
    return g_steal_pointer(&khugepaged);
}

bool
bench_khugepaged_set(BenchKhugepaged *khugepaged, BenchKhugepagedMode mode,
                     GError **error)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        const char *value = NULL;
        if (mode == BENCH_KHUGEPAGED_ASLEEP) {
            value = settings[i].asleep;
        } else if (mode == BENCH_KHUGEPAGED_AGGRESSIVE) {
            value = settings[i].aggressive;
        }
        value = value ? value : khugepaged->found[i];
        if (!put(khugepaged->directory, settings[i].name, value)) {
            return error_set_errno(error, errno, "cannot write %s to %s/%s",
                                   value, DIRECTORY, settings[i].name);
        }
    }
    return true;
}

void
bench_khugepaged_close(BenchKhugepaged *khugepaged)
{
    if (khugepaged) {
        fd_clear(&khugepaged->alive);
        int status = 0;
        if (khugepaged->guard > 0 &&
            (waitpid(khugepaged->guard, &status, 0) < 0 || status != 0)) {
            g_warning("the settings of khugepaged may not be as they were (%s "
                      "in %s)", khugepaged->text, DIRECTORY);
        }
        fd_clear(&khugepaged->directory);
        g_free(khugepaged->text);
        g_free(khugepaged);
    }
}

const char *
bench_khugepaged_found(const BenchKhugepaged *khugepaged)
{
    return khugepaged->text;
}
