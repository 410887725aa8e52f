/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Where the sender listens: what was asked for as it is, else an address of
 * this host and a port that no other migration has.
 */
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "libvirt/libvirt-address.h"
#include "libvirt/libvirt-daemon.h"

static void
choose(const char *wanted, const char *peer, LibvirtAddress *address)
{
    g_autoptr(GError) error = NULL;
    g_assert_true(libvirt_address_choose(wanted, peer, address, &error));
    g_assert_no_error(error);
}

static unsigned
port_of(const LibvirtAddress *address)
{
    return (unsigned)atoi(strrchr(address->text, ':') + 1);
}

static void
test_as_it_is(void)
{
    static const char *const wanted[] = {"host:1", "10.0.0.1:7000",
                                         "[fd00::1]:7000", "unix:/x"};
    for (unsigned i = 0; i < G_N_ELEMENTS(wanted); i++) {
        g_auto(LibvirtAddress) address = {.claim = -1};
        choose(wanted[i], "nowhere.invalid", &address);
        g_assert_cmpstr(address.text, ==, wanted[i]);
    }
}

static void
test_toward_peer(void)
{
    g_auto(LibvirtAddress) address = {.claim = -1};
    choose(NULL, "127.0.0.1", &address);
    g_assert_true(g_str_has_prefix(address.text, "127.0.0.1:"));
    g_assert_cmpuint(port_of(&address), >=, LIBVIRT_ADDRESS_FIRST_PORT);
    g_assert_cmpuint(port_of(&address), <,
                     LIBVIRT_ADDRESS_FIRST_PORT + LIBVIRT_ADDRESS_PORTS);
}

/* Two at a time get two ports, though nobody listens yet; a port that is given
 * back is taken again. */
static void
test_two_at_a_time(void)
{
    g_auto(LibvirtAddress) one = {.claim = -1}, two = {.claim = -1};
    choose("127.0.0.1", NULL, &one);
    choose("127.0.0.1", NULL, &two);
    g_assert_cmpuint(port_of(&one), !=, port_of(&two));
    unsigned first = port_of(&one);
    libvirt_address_clear(&one);
    choose("127.0.0.1", NULL, &one);
    g_assert_cmpuint(port_of(&one), ==, first);
}

static void
test_nowhere(void)
{
    g_auto(LibvirtAddress) address = {.claim = -1};
    g_autoptr(GError) error = NULL;
    g_assert_false(libvirt_address_choose("192.0.2.77", NULL, &address,
                                          &error));
    g_assert_nonnull(strstr(error->message, "no address of this host"));
    g_clear_error(&error);
    g_assert_false(
        libvirt_address_choose(NULL, "nowhere.invalid", &address, &error));
    g_assert_nonnull(strstr(error->message, "nowhere.invalid"));
}

static void
test_host_of_uri(void)
{
    static const struct {
        const char *uri, *host;
    } table[] = {
        {"qemu:///system", NULL},
        {"qemu+unix:///system?socket=/x", NULL},
        {"qemu+ssh://root@b.example:22/system?keyfile=/k", "b.example"},
        {"qemu+tcp://10.0.0.2/system", "10.0.0.2"},
        {"qemu+tls://[fd00::2]/system", "fd00::2"},
        {"tcp://b:49152", "b"},
        {"nonsense", NULL},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++) {
        g_autofree char *host = libvirt_daemon_host_of_uri(table[i].uri);
        g_assert_cmpstr(host, ==, table[i].host);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/address/as-it-is", test_as_it_is);
    g_test_add_func("/address/toward-peer", test_toward_peer);
    g_test_add_func("/address/two-at-a-time", test_two_at_a_time);
    g_test_add_func("/address/nowhere", test_nowhere);
    g_test_add_func("/address/host-of-uri", test_host_of_uri);
    return g_test_run();
}
