/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The typed readers of QMP replies, behind a monitor that says what the input
 * says: each line answers one command. A line that begins with '=' is sent as
 * it is, after the rest of it the monitor hangs up; any other is the value of
 * a proper reply. Nobody may wait for more than the monitor has to say, so it
 * hangs up as well when what it said is not whole.
 */
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/fd.h"
#include "qmp/qmp-frame.h"
#include "qmp/qmp-qemu.h"
#include "tests/fuzz/fuzz-check.h"

#define ALL                                                                   \
    (FUZZ_MAY(ERROR_PROTOCOL) | FUZZ_MAY(ERROR_VM_GONE) |                     \
     FUZZ_MAY(ERROR_FAILED) | FUZZ_MAY(ERROR_UNSUPPORTED))
#define GREETING                                                              \
    "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, "       \
    "\"major\": 7}, \"package\": \"\"}, \"capabilities\": [\"oob\"]}}\n"

static struct {
    char *directory, *path;
    int listener;
    char **lines; /* of the input under test */
    sem_t done;   /* it is not looked at any more */
    GThread *thread;
} monitor;

static bool
hear_command(int fd)
{
    char byte = 0;
    while (byte != '\n') {
        if (read(fd, &byte, 1) != 1) {
            return false;
        }
    }
    return true;
}

static bool
is_whole(const char *text)
{
    char *message = NULL;
    gsize bytes;
    QmpFrame frame;
    qmp_frame_init(&frame);
    qmp_frame_append(&frame, text, strlen(text));
    bool ok = qmp_frame_next(&frame, &message, &bytes, NULL) && message;
    g_free(message);
    qmp_frame_clear(&frame);
    return ok;
}

static bool
answer(int fd, const char *line, unsigned id)
{
    bool raw = line[0] == '=';
    g_autofree char *text =
        raw ? g_strdup(line + 1)
            : g_strdup_printf("{\"return\": %s, \"id\": %u}\n", line, id);
    return fd_write_all(fd, text, strlen(text), 0, NULL) && !raw &&
           is_whole(text);
}

/* libFuzzer looks at the clock by SIGALRM, without SA_RESTART: that is for the
 * thread of the client, which has to bear it. */
static gpointer
be_qemu(gpointer data)
{
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, NULL);
    for (;;) {
        autofd fd = accept(monitor.listener, NULL, NULL);
        bool ok = fd_write_all(fd, GREETING, strlen(GREETING), 0, NULL) &&
                  hear_command(fd) && answer(fd, "{}", 1);
        unsigned id = 2;
        for (char **line = monitor.lines; ok && *line; line++, id++) {
            ok = hear_command(fd) && answer(fd, *line, id);
        }
        /* So that what was said is read before the end is seen. */
        shutdown(fd, SHUT_WR);
        while (hear_command(fd)) {
        }
        sem_post(&monitor.done);
    }
    return NULL;
}

static void
remove_socket(void)
{
    unlink(monitor.path);
    rmdir(monitor.directory);
}

static void
start_monitor(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    monitor.directory = g_dir_make_tmp("fuzz-qmp.XXXXXX", NULL);
    monitor.path = g_build_filename(monitor.directory, "qmp", NULL);
    g_strlcpy(address.sun_path, monitor.path, sizeof address.sun_path);
    monitor.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    g_assert_no_errno(bind(monitor.listener, (struct sockaddr *)&address,
                           sizeof address));
    g_assert_no_errno(listen(monitor.listener, 4));
    atexit(remove_socket);
    sem_init(&monitor.done, 0, 0);
    monitor.thread = g_thread_new("monitor", be_qemu, NULL);
}

static void
ask_state(QmpClient *client)
{
    GError *error = NULL;
    g_autofree char *detail = NULL;
    g_autofree char *state = qmp_qemu_run_state(client, &error);
    fuzz_end(state != NULL, error, ALL);
    error = NULL;
    g_autofree char *status =
        qmp_qemu_migration_status(client, &detail, &error);
    fuzz_end(status != NULL, error, ALL);
    QmpIdentity identity = {0};
    error = NULL;
    bool ok = qmp_qemu_identity(client, &identity, &error);
    g_assert_true(ok == (identity.uuid != NULL));
    g_assert_true(ok == (identity.name != NULL));
    fuzz_end(ok, error, ALL);
    qmp_identity_clear(&identity);
}

static void
ask_numbers(QmpClient *client)
{
    GError *error = NULL;
    bool on;
    gint64 value;
    bool ok = qmp_qemu_get_capability(client, "return-path", &on, &error);
    fuzz_end(ok, error, ALL);
    error = NULL;
    ok = qmp_qemu_get_parameter(client, "max-bandwidth", &value, &error);
    fuzz_end(ok, error, ALL);
    int fdset = -1, number = -1;
    error = NULL;
    ok = qmp_qemu_add_fd(client, 0, &fdset, &number, &error);
    g_assert_true(ok ? fdset >= 0 && number >= 0 : fdset < 0 && number < 0);
    fuzz_end(ok, error, ALL);
}

static void
ask_machine(QmpClient *client)
{
    static const char *const prefixes[] = {"vfio-", "vhost-user-", NULL};
    GError *error = NULL;
    g_autofree char *found = NULL;
    g_autoptr(GArray) blocks = qmp_qemu_ram_blocks(client, &error);
    for (guint i = 0; blocks && i < blocks->len; i++) {
        const QmpRamBlock *b = &g_array_index(blocks, QmpRamBlock, i);
        g_assert_true(!b->backend || b->kind);
        g_assert_true(g_strcmp0(b->kind, "memory-backend-file") != 0 ||
                      b->path);
    }
    fuzz_end(blocks != NULL, error, ALL);
    error = NULL;
    bool is = qmp_qemu_find_device(client, prefixes, &found, &error);
    g_assert_true(is == (found != NULL));
    if (error) {
        fuzz_end(is, error, ALL);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!monitor.thread) {
        start_monitor();
    }
    /* The first byte says what is asked first. */
    if (size < 1 || size > 50000) {
        return 0;
    }
    g_autofree char *text = fuzz_text(data + 1, size - 1);
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    monitor.lines = lines;
    GError *error = NULL;
    QmpClient *client = qmp_client_open(monitor.path, 5000, &error);
    fuzz_end(client != NULL, error, 0);
    void (*const ask[])(QmpClient *) = {ask_state, ask_numbers, ask_machine};
    for (unsigned i = 0; i < G_N_ELEMENTS(ask); i++) {
        ask[(data[0] + i) % G_N_ELEMENTS(ask)](client);
    }
    QmpEvent *event;
    while ((event = qmp_client_pop_event(client))) {
        g_assert_nonnull(event->name);
        qmp_event_free(event);
    }
    qmp_client_close(client);
    while (sem_wait(&monitor.done) < 0) {
        g_assert_cmpint(errno, ==, EINTR);
    }
    return 0;
}
