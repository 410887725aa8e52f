/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Messages of the kernel's format, fed through a pipe: every event is decoded,
 * batches are bounded, and what is no message is an error and not a fault at
 * address 0.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/fd.h"
#include "uffd/uffd-compat.h"
#include "uffd/uffd-reader.h"

typedef struct {
    int in, out;
} Pipe;

static void
pipe_clear(Pipe *p)
{
    fd_clear(&p->in);
    fd_clear(&p->out);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Pipe, pipe_clear)

static void
pipe_init(Pipe *p)
{
    int ends[2];
    g_assert_no_errno(pipe2(ends, O_CLOEXEC | O_NONBLOCK));
    *p = (Pipe){.in = ends[1], .out = ends[0]};
}

static void
put(Pipe *p, struct uffd_msg message)
{
    g_assert_cmpint(write(p->in, &message, sizeof message), ==,
                    sizeof message);
}

static void
a_fault(void)
{
    g_auto(Pipe) p;
    UffdEvent events[UFFD_READER_BATCH];
    pipe_init(&p);
    put(&p, (struct uffd_msg){.event = UFFD_EVENT_PAGEFAULT,
                              .arg.pagefault = {.address = 0x7f0000001234,
                                                .feat.ptid = 4711}});
    put(&p, (struct uffd_msg){.event = UFFD_EVENT_PAGEFAULT,
                              .arg.pagefault = {
                                  .flags = UFFD_PAGEFAULT_FLAG_MINOR |
                                           UFFD_PAGEFAULT_FLAG_WRITE,
                                  .address = 0x7f0000002000}});
    g_assert_cmpint(uffd_reader_read(p.out, events), ==, 2);
    g_assert_cmpint(events[0].kind, ==, UFFD_EVENT_IS_FAULT);
    g_assert_cmphex(events[0].hva, ==, 0x7f0000001000);
    g_assert_cmpuint(events[0].thread, ==, 4711);
    g_assert_false(events[0].minor);
    g_assert_false(events[0].write);
    g_assert_cmphex(events[1].hva, ==, 0x7f0000002000);
    g_assert_cmpuint(events[1].thread, ==, 0);
    g_assert_true(events[1].minor);
    g_assert_true(events[1].write);
}

static void
what_qemu_does_to_its_mappings(void)
{
    g_auto(Pipe) p;
    UffdEvent e[UFFD_READER_BATCH];
    pipe_init(&p);
    put(&p, (struct uffd_msg){.event = UFFD_EVENT_REMOVE,
                              .arg.remove = {0x10000, 0x13000}});
    put(&p, (struct uffd_msg){.event = UFFD_EVENT_FORK, .arg.fork = {.ufd = 9}});
    g_assert_cmpint(uffd_reader_read(p.out, e), ==, 2);
    static const struct {
        UffdEventKind kind;
        uint64_t hva, bytes;
    } wanted[] = {
        {UFFD_EVENT_IS_REMOVE, 0x10000, 0x3000},
        {UFFD_EVENT_IS_OTHER, 0, 0}, /* not asked for */
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(wanted); i++) {
        g_assert_cmpint(e[i].kind, ==, wanted[i].kind);
        g_assert_cmphex(e[i].hva, ==, wanted[i].hva);
        g_assert_cmphex(e[i].bytes, ==, wanted[i].bytes);
    }
}

static void
batches_are_bounded(void)
{
    g_auto(Pipe) p;
    UffdEvent events[UFFD_READER_BATCH + 1];
    pipe_init(&p);
    events[UFFD_READER_BATCH].hva = 12345;
    for (unsigned i = 0; i < UFFD_READER_BATCH + 10; i++) {
        put(&p, (struct uffd_msg){.event = UFFD_EVENT_PAGEFAULT,
                                  .arg.pagefault.address = i * 4096});
    }
    g_assert_cmpint(uffd_reader_read(p.out, events), ==, UFFD_READER_BATCH);
    g_assert_cmphex(events[63].hva, ==, 63 * 4096);
    g_assert_cmpuint(events[UFFD_READER_BATCH].hva, ==, 12345);
    g_assert_cmpint(uffd_reader_read(p.out, events), ==, 10);
    g_assert_cmphex(events[9].hva, ==, 73 * 4096);
    g_assert_cmpint(uffd_reader_read(p.out, events), ==, 0);
}

static void
what_is_no_message_is_an_error(void)
{
    g_auto(Pipe) p;
    UffdEvent events[UFFD_READER_BATCH];
    pipe_init(&p);
    g_assert_cmpint(uffd_reader_read(-1, events), ==, -1);
    g_assert_cmpint(errno, ==, EBADF);
    g_assert_cmpint(write(p.in, "half", 4), ==, 4);
    g_assert_cmpint(uffd_reader_read(p.out, events), ==, -1);
    g_assert_cmpint(errno, ==, EIO);
    fd_clear(&p.in);
    g_assert_cmpint(uffd_reader_read(p.out, events), ==, -1);
    g_assert_cmpint(errno, ==, EIO);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/uffd-reader/fault", a_fault);
    g_test_add_func("/uffd-reader/events", what_qemu_does_to_its_mappings);
    g_test_add_func("/uffd-reader/batch", batches_are_bounded);
    g_test_add_func("/uffd-reader/garbage", what_is_no_message_is_an_error);
    return g_test_run();
}
