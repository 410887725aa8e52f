/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What this machine can do at best, measured with the same means on the same
 * day: bytes through loopback TCP into memory that is there, with one stream
 * and with one per core, from memory and by sendfile() from tmpfs; and a
 * question of 16 bytes answered by 4112, which is the size of a page request.
 * Each once alone and once beside a process that spins, as a vCPU does.
 * Prints one JSON object.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <json-glib/json-glib.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/histogram.h"

#define STREAM_BYTES (UINT64_C(512) << 20)
#define CHUNK_BYTES (UINT64_C(256) << 10)
#define ROUNDS 20000
#define QUESTION_BYTES 16
#define ANSWER_BYTES 4112
#define MAX_STREAMS 16

typedef struct {
    int from, to; /* the two ends of a connection */
    uint8_t *source, *target;
    int file; /* sendfile() from here, or -1 */
    bool failed;
} Stream;

static void
need(bool ok, const char *what)
{
    if (!ok) {
        fprintf(stderr, "bench-floor: %s: %s\n", what, g_strerror(errno));
        exit(1);
    }
}

static void
connect_pair(int *one, int *other)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t bytes = sizeof(address);
    int on = 1;
    autofd listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(listener >= 0 &&
             bind(listener, (struct sockaddr *)&address, bytes) == 0 &&
             listen(listener, 1) == 0 &&
             getsockname(listener, (struct sockaddr *)&address, &bytes) == 0,
         "listen");
    *one = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    need(*one >= 0 && connect(*one, (struct sockaddr *)&address, bytes) == 0,
         "connect");
    *other = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    need(*other >= 0, "accept");
    need(setsockopt(*one, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) == 0 &&
             setsockopt(*other, IPPROTO_TCP, TCP_NODELAY, &on,
                        sizeof(on)) == 0,
         "TCP_NODELAY");
}

static uint8_t *
map_touched(void)
{
    uint8_t *room = mmap(NULL, STREAM_BYTES, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    need(room != MAP_FAILED, "mmap");
    madvise(room, STREAM_BYTES, MADV_HUGEPAGE);
    memset(room, 1, STREAM_BYTES);
    return room;
}

static gpointer
send_stream(gpointer data)
{
    Stream *stream = data;
    off_t at = 0;
    while (stream->file >= 0 && (uint64_t)at < STREAM_BYTES) {
        ssize_t n = sendfile(stream->from, stream->file, &at,
                             STREAM_BYTES - (uint64_t)at);
        if (n <= 0 && errno != EINTR) {
            stream->failed = true;
            return NULL;
        }
    }
    if (stream->file < 0 && !fd_write_all(stream->from, stream->source,
                                          STREAM_BYTES, 0, NULL)) {
        stream->failed = true;
    }
    return NULL;
}

static gpointer
receive_stream(gpointer data)
{
    Stream *stream = data;
    for (uint64_t at = 0; at < STREAM_BYTES;) {
        size_t room = MIN(CHUNK_BYTES, STREAM_BYTES - at);
        ssize_t n = recv(stream->to, stream->target + at, room, 0);
        if (n <= 0 && errno != EINTR) {
            stream->failed = true;
            return NULL;
        }
        at += n > 0 ? (uint64_t)n : 0;
    }
    return NULL;
}

/* Bytes per second of N streams together. */
static double
throughput(Stream *streams, unsigned n)
{
    GThread *threads[2 * MAX_STREAMS];
    for (unsigned i = 0; i < n; i++) {
        connect_pair(&streams[i].from, &streams[i].to);
    }
    uint64_t start = fd_now_ns();
    for (unsigned i = 0; i < n; i++) {
        threads[2 * i] = g_thread_new("receive", receive_stream, &streams[i]);
        threads[2 * i + 1] = g_thread_new("send", send_stream, &streams[i]);
    }
    for (unsigned i = 0; i < 2 * n; i++) {
        g_thread_join(threads[i]);
    }
    double seconds = (double)(fd_now_ns() - start) / 1e9;
    for (unsigned i = 0; i < n; i++) {
        fd_clear(&streams[i].from);
        fd_clear(&streams[i].to);
        errno = EIO;
        need(!streams[i].failed, "a stream broke");
    }
    return (double)STREAM_BYTES * n / seconds;
}

static gpointer
answer(gpointer data)
{
    int fd = GPOINTER_TO_INT(data);
    char question[QUESTION_BYTES];
    static char reply[ANSWER_BYTES];
    while (fd_read_all(fd, question, sizeof(question), 0, NULL) &&
           fd_write_all(fd, reply, sizeof(reply), 0, NULL)) {
    }
    return NULL;
}

static void
ping_pong(Histogram *histogram)
{
    autofd near = -1;
    autofd far = -1;
    connect_pair(&near, &far);
    GThread *thread = g_thread_new("answer", answer, GINT_TO_POINTER(far));
    char question[QUESTION_BYTES] = {0};
    char reply[ANSWER_BYTES];
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t start = fd_now_ns();
        need(fd_write_all(near, question, sizeof(question), 0, NULL) &&
                 fd_read_all(near, reply, sizeof(reply), 0, NULL),
             "ping-pong");
        histogram_add(histogram, fd_now_ns() - start);
    }
    shutdown(near, SHUT_RDWR);
    g_thread_join(thread);
}

static void
put(JsonBuilder *json, const char *name, double value)
{
    json_builder_set_member_name(json, name);
    json_builder_add_double_value(json, (double)(gint64)(value * 10) / 10);
}

static void
measure(JsonBuilder *json, const char *name, Stream *streams, unsigned n,
        const int *files)
{
    static Histogram histogram;
    memset(&histogram, 0, sizeof(histogram));
    json_builder_set_member_name(json, name);
    json_builder_begin_object(json);
    put(json, "one_stream_mb_per_s", throughput(streams, 1) / 1e6);
    put(json, "n_streams_mb_per_s", throughput(streams, n) / 1e6);
    for (unsigned i = 0; i < n; i++) {
        streams[i].file = files[i];
    }
    put(json, "one_sendfile_mb_per_s", throughput(streams, 1) / 1e6);
    put(json, "n_sendfile_mb_per_s", throughput(streams, n) / 1e6);
    for (unsigned i = 0; i < n; i++) {
        streams[i].file = -1;
    }
    ping_pong(&histogram);
    put(json, "ping_pong_mean_us",
        (double)histogram_mean_ns(&histogram) / 1e3);
    put(json, "ping_pong_p50_us",
        (double)histogram_quantile_ns(&histogram, 0.5) / 1e3);
    put(json, "ping_pong_p99_us",
        (double)histogram_quantile_ns(&histogram, 0.99) / 1e3);
    json_builder_end_object(json);
}

static pid_t
start_spinning(void)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    need(pid >= 0, "fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (volatile unsigned long i = 0; getppid() == parent || i == 0;) {
            for (int k = 0; k < 1000000; k++) {
                i++;
            }
        }
        _exit(0);
    }
    return pid;
}

static int
make_file(const uint8_t *content)
{
    int fd = memfd_create("bench-floor", MFD_CLOEXEC);
    need(fd >= 0 && fd_write_all(fd, content, STREAM_BYTES, 0, NULL),
         "fill a tmpfs file");
    return fd;
}

int
main(void)
{
    unsigned n = CLAMP((unsigned)g_get_num_processors(), 1, MAX_STREAMS);
    Stream streams[MAX_STREAMS];
    int files[MAX_STREAMS];
    for (unsigned i = 0; i < n; i++) {
        streams[i] = (Stream){.source = map_touched(),
                              .target = map_touched(),
                              .file = -1};
        files[i] = make_file(streams[i].source);
    }
    g_autoptr(JsonBuilder) json = json_builder_new();
    json_builder_begin_object(json);
    put(json, "streams", n);
    measure(json, "alone", streams, n, files);
    pid_t spinner = start_spinning();
    measure(json, "beside_a_busy_vcpu", streams, n, files);
    kill(spinner, SIGKILL);
    waitpid(spinner, NULL, 0);
    json_builder_end_object(json);
    g_autoptr(JsonNode) root = json_builder_get_root(json);
    g_autofree char *text = json_to_string(root, true);
    puts(text);
    return 0;
}
