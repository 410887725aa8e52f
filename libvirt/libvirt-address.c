/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * An address to listen at: see libvirt-address.h.
 */
#include "libvirt/libvirt-address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

void
libvirt_address_clear(LibvirtAddress *address)
{
    g_clear_pointer(&address->text, g_free);
    fd_clear(&address->claim);
}

static struct addrinfo *
address_resolve(const char *host, const char *port, int flags, GError **error)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = flags};
    struct addrinfo *list = NULL;
    int r = getaddrinfo(host, port, &hints, &list);
    if (r != 0) {
        error_set(error, ERROR_FAILED, "cannot resolve '%s': %s", host,
                  gai_strerror(r));
    }
    return list;
}

/* Which of our addresses the kernel would send from; nothing is sent. */
static char *
local_address_toward(const struct addrinfo *peer)
{
    struct sockaddr_storage ours;
    socklen_t bytes = sizeof ours;
    char text[NI_MAXHOST];
    autofd fd = socket(peer->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, peer->ai_addr, peer->ai_addrlen) != 0 ||
        getsockname(fd, (struct sockaddr *)&ours, &bytes) != 0 ||
        getnameinfo((struct sockaddr *)&ours, bytes, text, sizeof text, NULL,
                    0, NI_NUMERICHOST) != 0) {
        return NULL;
    }
    return g_strdup(text);
}

static char *
find_local_address(const char *peer, GError **error)
{
    struct addrinfo *list = address_resolve(peer, "1", 0, error);
    if (!list) {
        return NULL;
    }
    char *found = NULL;
    for (struct addrinfo *a = list; a && !found; a = a->ai_next) {
        found = local_address_toward(a);
    }
    freeaddrinfo(list);
    if (!found) {
        error_set(error, ERROR_FAILED,
                  "this host has no route to '%s'; name the address where the "
                  "destination reaches it with --listen",
                  peer);
    }
    return found;
}

/* A socket without a file: names like this are, as ports are, those of this
 * network namespace, and vanish with their owner. */
static int
claim_port(unsigned port)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    int n = snprintf(name.sun_path + 1, sizeof name.sun_path - 1,
                     "postlude/port/%u", port);
    autofd fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t bytes =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
    if (fd < 0 || bind(fd, (struct sockaddr *)&name, bytes) != 0) {
        return -1;
    }
    return fd_steal(&fd);
}

static bool
can_listen(const char *host, unsigned port)
{
    char text[16];
    snprintf(text, sizeof text, "%u", port);
    struct addrinfo *list = address_resolve(host, text, AI_PASSIVE, NULL);
    bool ok = false;
    if (list) {
        int one = 1;
        autofd fd =
            socket(list->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        ok = fd >= 0 && bind(fd, list->ai_addr, list->ai_addrlen) == 0 &&
             listen(fd, 1) == 0;
        freeaddrinfo(list);
    }
    return ok;
}

static bool
find_port(const char *host, LibvirtAddress *address, GError **error)
{
    unsigned last = LIBVIRT_ADDRESS_FIRST_PORT + LIBVIRT_ADDRESS_PORTS - 1;
    for (unsigned port = LIBVIRT_ADDRESS_FIRST_PORT; port <= last; port++) {
        autofd claim = claim_port(port);
        if (claim >= 0 && can_listen(host, port)) {
            bool v6 = strchr(host, ':') != NULL;
            address->claim = fd_steal(&claim);
            address->text = g_strdup_printf(v6 ? "[%s]:%u" : "%s:%u", host,
                                            port);
            return true;
        }
    }
    return error_set(error, ERROR_FAILED,
                     "cannot listen at any port from %u to %u of '%s': all are "
                     "taken, or it is no address of this host; name one with "
                     "--listen HOST:PORT",
                     LIBVIRT_ADDRESS_FIRST_PORT, last, host);
}

/* "h" of "h" and "[h]"; NULL if there is a port as well. */
static char *
host_without_port(const char *wanted)
{
    size_t n = strlen(wanted);
    if (n > 2 && wanted[0] == '[' && wanted[n - 1] == ']') {
        return g_strndup(wanted + 1, n - 2);
    }
    return strchr(wanted, ':') ? NULL : g_strdup(wanted);
}

bool
libvirt_address_choose(const char *wanted, const char *peer,
                       LibvirtAddress *address, GError **error)
{
    *address = (LibvirtAddress){.claim = -1};
    g_autofree char *host = wanted ? host_without_port(wanted)
                                   : find_local_address(peer, error);
    if (!host && wanted) {
        address->text = g_strdup(wanted);
        return true;
    }
    return host && find_port(host, address, error);
}
