/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Addresses: which are ones, which stay on this host, and who may listen.
 */
#include "wire/wire-address.h"

#include <glib/gstdio.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

#define LONG "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static unsigned
count_threads(void)
{
    unsigned n = 0;
    g_autoptr(GDir) tasks = g_dir_open("/proc/self/task", 0, NULL);
    while (g_dir_read_name(tasks)) {
        n++;
    }
    return n;
}

/* RFC 6761: nobody has it. It is asked for without a thread: GLib ends a
 * process that gets none. */
static void
a_name(void)
{
    GError *error = NULL;
    unsigned before = count_threads();
    g_assert_null(wire_address_parse("postlude.invalid:7000", &error));
    g_assert_true(error_is(error, ERROR_PEER_GONE));
    g_assert_nonnull(strstr(error->message, "cannot resolve 'postlude.invalid"));
    g_clear_error(&error);
    /* A number whose scope is no network device here. */
    g_assert_null(wire_address_parse("[fe80::1%postlude-none]:7000", &error));
    g_assert_true(error_is(error, ERROR_PEER_GONE));
    g_clear_error(&error);
    g_assert_cmpuint(count_threads(), ==, before);
}

/* Who takes over asks nobody. */
static void
a_known_name(void)
{
    static const struct {
        const char *known, *again;
    } cases[] = {
        {"192.0.2.7", "192.0.2.7"},
        {"192.0.2.7 2001:db8::1", "192.0.2.7 2001:db8::1"},
        {"fe80::1%1", "fe80::1%1"},
        {"no.number 192.0.2.7", "192.0.2.7"},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(WireAddress) address = wire_address_parse_known(
            "postlude.invalid:7000", cases[i].known, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(wire_address_known(address), ==, cases[i].again);
        g_assert_cmpstr(wire_address_host(address), ==, "postlude.invalid");
        g_assert_false(wire_address_is_local(address));
    }
    g_autoptr(GError) error = NULL;
    g_assert_null(
        wire_address_parse_known("postlude.invalid:7000", "?", &error));
    g_assert_true(error_is(error, ERROR_PEER_GONE));
}

static void
good(void)
{
    static const struct {
        const char *text;
        bool local;
    } cases[] = {
        {"127.0.0.1:4444", true},     {"127.9.9.9:1", true},
        {"[::1]:65535", true},        {"unix:/run/x.sock", true},
        {"192.0.2.1:4444", false},    {"[2001:db8::1]:4444", false},
        {"0.0.0.0:4444", false},      {"[::]:4444", false},
        {"10.0.0.1:22", false},       {"localhost:4444", true},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(WireAddress) address =
            wire_address_parse(cases[i].text, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(wire_address_text(address), ==, cases[i].text);
        g_assert_cmpint(wire_address_is_local(address), ==, cases[i].local);
        g_assert_null(wire_address_known(address));
    }
}

static void
bad(void)
{
    static const char *const cases[] = {
        "",  ":",  "host", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0",
        "127.0.0.1:99999", "127.0.0.1:http:x", "[::1]", "[::1:4444",
        "unix:", "unix:relative.sock", "unix:/" LONG LONG,
        "h\xf6st:4444", "[\xbe\xfb\xfb\xfb\xfb:4",
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(wire_address_parse(cases[i], &error));
        g_autofree char *said = g_strescape(error->message, NULL);
        g_test_message("%s", said);
        g_assert_true(error_is(error, ERROR_USAGE));
    }
}

/* Somebody answers: bytes go through. */
static void
assert_connects(const WireAddress *address, int listener)
{
    g_autoptr(GError) error = NULL;
    char byte = 0;
    autofd here = wire_address_dial(address, &error);
    g_assert_no_error(error);
    autofd there = accept(listener, NULL, NULL);
    g_assert_cmpint(there, >=, 0);
    g_assert_true(fd_write_all(here, "!", 1, 0, NULL));
    g_assert_true(fd_read_all(there, &byte, 1, 0, NULL));
    g_assert_cmpint(byte, ==, '!');
}

static WireAddress *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    WireAddress *address = wire_address_parse(text, &error);
    g_assert_no_error(error);
    return address;
}

/* A port that is free now, by asking the kernel for one. */
static WireAddress *
free_port(void)
{
    autofd probe = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    g_assert_no_errno(bind(probe, (struct sockaddr *)&at, size));
    g_assert_no_errno(getsockname(probe, (struct sockaddr *)&at, &size));
    g_autofree char *text =
        g_strdup_printf("127.0.0.1:%u", ntohs(at.sin_port));
    return parse(text);
}

static void
tcp(void)
{
    g_autoptr(WireAddress) address = free_port();
    g_autoptr(GError) gone = NULL, taken = NULL, error = NULL;
    g_assert_cmpint(wire_address_dial(address, &gone), ==, -1);
    g_assert_true(error_is(gone, ERROR_PEER_GONE));
    g_assert_nonnull(strstr(gone->message, wire_address_text(address)));
    autofd listener = wire_address_listen(address, &error);
    g_assert_no_error(error);
    assert_connects(address, listener);
    g_assert_cmpint(wire_address_listen(address, &taken), ==, -1);
    g_assert_nonnull(strstr(taken->message, "cannot listen on 127.0.0.1:"));
    wire_address_unlink(address);
    /* At once again, though the first connection lingers in TIME_WAIT. */
    fd_clear(&listener);
    listener = wire_address_listen(address, &error);
    g_assert_no_error(error);
    assert_connects(address, listener);
}

static void
unix_sockets(void)
{
    g_autofree char *dir = g_dir_make_tmp("postlude-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "s.sock", NULL);
    g_autofree char *text = g_strconcat("unix:", path, NULL);
    g_autoptr(WireAddress) address = parse(text);
    g_autoptr(GError) error = NULL, taken = NULL, gone = NULL;
    autofd dead = wire_address_listen(address, &error);
    g_assert_no_error(error);
    fd_clear(&dead);
    g_assert_true(g_file_test(path, G_FILE_TEST_EXISTS)); /* stale */
    g_assert_cmpint(wire_address_dial(address, &gone), ==, -1);
    g_assert_true(error_is(gone, ERROR_PEER_GONE));
    autofd listener = wire_address_listen(address, &error);
    g_assert_no_error(error);
    g_assert_cmpint(wire_address_listen(address, &taken), ==, -1);
    g_assert_nonnull(taken);
    autofd probed = accept(listener, NULL, NULL); /* the second's knock */
    assert_connects(address, listener);
    wire_address_unlink(address);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    g_assert_no_errno(g_rmdir(dir));
}

/* What is in the way and is no socket stays where it is. */
static void
a_file_in_the_way(void)
{
    g_autofree char *dir = g_dir_make_tmp("postlude-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "precious", NULL);
    g_autofree char *text = g_strconcat("unix:", path, NULL);
    g_autofree char *kept = NULL;
    g_autoptr(WireAddress) address = parse(text);
    g_autoptr(GError) error = NULL;
    g_assert_true(g_file_set_contents(path, "data", -1, NULL));
    g_assert_cmpint(wire_address_listen(address, &error), ==, -1);
    g_assert_nonnull(error);
    g_assert_true(g_file_get_contents(path, &kept, NULL, NULL));
    g_assert_cmpstr(kept, ==, "data");
    g_assert_no_errno(g_unlink(path));
    g_assert_no_errno(g_rmdir(dir));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/address/name", a_name);
    g_test_add_func("/address/known-name", a_known_name);
    g_test_add_func("/address/good", good);
    g_test_add_func("/address/bad", bad);
    g_test_add_func("/address/tcp", tcp);
    g_test_add_func("/address/unix", unix_sockets);
    g_test_add_func("/address/in-the-way", a_file_in_the_way);
    return g_test_run();
}
