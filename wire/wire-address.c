/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Addresses: see wire-address.h. Parsing is GLib's; names are asked of the C
 * library, because GLib asks on a thread, and ends the process if there is none.
 */
#include "wire/wire-address.h"

#include <errno.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

struct WireAddress {
    char *text;
    char *unix_path;        /* NULL for TCP */
    char *host;             /* NULL for UNIX */
    GString *known;         /* what a name stood for; NULL: it is none */
    WireTlsCreds *creds;    /* NULL: plain text */
    GPtrArray *candidates;  /* GSocketAddress */
};

#define DIAL_TIMEOUT_MS 10000

void
wire_address_free(WireAddress *address)
{
    g_free(address->text);
    g_free(address->unix_path);
    g_free(address->host);
    if (address->known) {
        g_string_free(address->known, true);
    }
    g_clear_pointer(&address->creds, wire_tls_creds_free);
    g_ptr_array_unref(address->candidates);
    g_free(address);
}

static void
add_candidate(WireAddress *address, GSocketAddress *candidate)
{
    GInetSocketAddress *inet = G_INET_SOCKET_ADDRESS(candidate);
    GInetAddress *at = g_inet_socket_address_get_address(inet);
    g_autofree char *number = g_inet_address_to_string(at);
    guint32 scope = g_inet_address_get_family(at) == G_SOCKET_FAMILY_IPV6
                        ? g_inet_socket_address_get_scope_id(inet)
                        : 0;
    g_string_append_printf(address->known, "%s%s",
                           address->known->len > 0 ? " " : "", number);
    if (scope) {
        g_string_append_printf(address->known, "%%%u", scope);
    }
    g_ptr_array_add(address->candidates, candidate);
}

static bool
ask_for(WireAddress *address, const char *host, guint16 port, int flags,
        GError **error)
{
    const struct addrinfo hints = {.ai_flags = flags | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    g_autofree char *service = g_strdup_printf("%u", port);
    struct addrinfo *all = NULL;
    int failed = getaddrinfo(host, service, &hints, &all);
    if (failed) {
        return error_set(error, ERROR_PEER_GONE, "cannot resolve '%s': %s",
                         address->text,
                         failed == EAI_SYSTEM ? g_strerror(errno)
                                              : gai_strerror(failed));
    }
    for (const struct addrinfo *one = all; one; one = one->ai_next) {
        GSocketAddress *candidate = g_socket_address_new_from_native(
            one->ai_addr, one->ai_addrlen);
        if (candidate) {
            add_candidate(address, candidate);
        }
    }
    freeaddrinfo(all);
    return address->candidates->len > 0 ||
           error_set(error, ERROR_PEER_GONE, "cannot resolve '%s': no address",
                     address->text);
}

/* KNOWN is what an earlier process was told, or NULL: then the host's resolver
 * is asked. */
static bool
ask_for_name(WireAddress *address, const char *known, guint16 port,
             GError **error)
{
    g_auto(GStrv) numbers = g_strsplit(known ? known : "", " ", -1);
    address->known = g_string_new(NULL);
    for (unsigned i = 0; numbers[i]; i++) {
        ask_for(address, numbers[i], port, AI_NUMERICHOST, NULL);
    }
    g_autofree char *ascii = g_hostname_to_ascii(address->host);
    return address->candidates->len > 0 ||
           ask_for(address, ascii ? ascii : address->host, port, AI_ADDRCONFIG,
                   error);
}

static bool
address_resolve(WireAddress *address, const char *known, GError **error)
{
    g_autoptr(GError) why = NULL;
    /* GLib (2.74) writes past a buffer when it makes a name of bytes that are
     * no UTF-8 comparable (g_utf8_normalize). */
    g_autoptr(GSocketConnectable) name =
        g_utf8_validate(address->text, -1, NULL)
            ? g_network_address_parse(address->text, 0, &why)
            : NULL;
    if (!name ||
        g_network_address_get_port(G_NETWORK_ADDRESS(name)) == 0) {
        return error_set(error, ERROR_USAGE,
                         "'%s' is not an address: give HOST:PORT, "
                         "[V6ADDRESS]:PORT or unix:PATH",
                         address->text);
    }
    address->host =
        g_strdup(g_network_address_get_hostname(G_NETWORK_ADDRESS(name)));
    /* GLib would ask a thread of its own, also for a number with a scope. */
    if (strchr(address->host, '%') ||
        (!g_hostname_is_ip_address(address->host) &&
         strcmp(address->host, "localhost") != 0)) {
        return ask_for_name(address, known,
                            g_network_address_get_port(G_NETWORK_ADDRESS(name)),
                            error);
    }
    g_autoptr(GSocketAddressEnumerator) all =
        g_socket_connectable_enumerate(name);
    GSocketAddress *next;
    while ((next = g_socket_address_enumerator_next(all, NULL, &why))) {
        g_ptr_array_add(address->candidates, next);
    }
    if (address->candidates->len == 0) {
        return error_set(error, ERROR_PEER_GONE, "cannot resolve '%s': %s",
                         address->text, why ? why->message : "no address");
    }
    return true;
}

WireAddress *
wire_address_parse(const char *text, GError **error)
{
    return wire_address_parse_known(text, NULL, error);
}

WireAddress *
wire_address_parse_known(const char *text, const char *known, GError **error)
{
    g_autoptr(WireAddress) address = g_new0(WireAddress, 1);
    address->text = g_strdup(text);
    address->candidates = g_ptr_array_new_with_free_func(g_object_unref);
    if (g_str_has_prefix(text, "unix:")) {
        address->unix_path = g_strdup(text + strlen("unix:"));
        if (address->unix_path[0] != '/' || strlen(address->unix_path) > 107) {
            error_set(error, ERROR_USAGE,
                      "'%s': a UNIX socket needs an absolute path of at most "
                      "107 bytes",
                      text);
            return NULL;
        }
        g_ptr_array_add(address->candidates,
                        g_unix_socket_address_new(address->unix_path));
    } else if (!address_resolve(address, known, error)) {
        return NULL;
    }
    return g_steal_pointer(&address);
}

static bool
is_loopback(GSocketAddress *candidate)
{
    return G_IS_INET_SOCKET_ADDRESS(candidate) &&
           g_inet_address_get_is_loopback(g_inet_socket_address_get_address(
               G_INET_SOCKET_ADDRESS(candidate)));
}

bool
wire_address_is_local(const WireAddress *address)
{
    for (guint i = 0; !address->unix_path && i < address->candidates->len;
         i++) {
        if (!is_loopback(g_ptr_array_index(address->candidates, i))) {
            return false;
        }
    }
    return true;
}

const char *
wire_address_text(const WireAddress *address)
{
    return address->text;
}

const char *
wire_address_known(const WireAddress *address)
{
    return address->known ? address->known->str : NULL;
}

const char *
wire_address_host(const WireAddress *address)
{
    return address->host;
}

void
wire_address_protect(WireAddress *address, WireTlsCreds *creds)
{
    g_clear_pointer(&address->creds, wire_tls_creds_free);
    address->creds = creds;
}

const WireTlsCreds *
wire_address_creds(const WireAddress *address)
{
    return address->creds;
}

/* Opens a socket of CANDIDATE's family and its native address. */
static int
open_socket(GSocketAddress *candidate, struct sockaddr_storage *native,
            socklen_t *bytes)
{
    *bytes = (socklen_t)g_socket_address_get_native_size(candidate);
    if (!g_socket_address_to_native(candidate, native, sizeof *native, NULL)) {
        errno = EINVAL;
        return -1;
    }
    return socket(native->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
}

/* A socket file of a helper that died is in the way; one that answers is
 * somebody's, and so is whatever is no socket. */
static void
remove_dead_socket(const WireAddress *address)
{
    struct stat st;
    if (lstat(address->unix_path, &st) < 0 || !S_ISSOCK(st.st_mode)) {
        return;
    }
    autofd probe = wire_address_dial(address, NULL);
    if (probe < 0) {
        unlink(address->unix_path);
    }
}

int
wire_address_listen(const WireAddress *address, GError **error)
{
    if (address->unix_path) {
        remove_dead_socket(address);
    }
    struct sockaddr_storage native = {0};
    socklen_t bytes;
    autofd fd = open_socket(g_ptr_array_index(address->candidates, 0), &native,
                            &bytes);
    int one = 1;
    if (fd >= 0 && !address->unix_path) {
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    }
    if (fd < 0 || bind(fd, (struct sockaddr *)&native, bytes) < 0 ||
        listen(fd, 64) < 0) {
        error_set_errno(error, errno, "cannot listen on %s", address->text);
        return -1;
    }
    return fd_steal(&fd);
}

/* connect() with a time limit, so that a host that swallows packets does not
 * hold us for minutes. */
static int
connect_in_time(int fd, const struct sockaddr_storage *native, socklen_t bytes)
{
    if (!fd_set_nonblocking(fd, true, NULL)) {
        return errno;
    }
    if (connect(fd, (const struct sockaddr *)native, bytes) < 0) {
        if (errno != EINPROGRESS) {
            return errno;
        }
        if (!fd_wait(fd, POLLOUT, fd_deadline_ns(DIAL_TIMEOUT_MS), NULL)) {
            return ETIMEDOUT;
        }
        int failed = 0;
        socklen_t size = sizeof failed;
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &size);
        if (failed) {
            return failed;
        }
    }
    fd_set_nonblocking(fd, false, NULL);
    return 0;
}

int
wire_address_dial(const WireAddress *address, GError **error)
{
    int failed = ENOENT;
    for (guint i = 0; i < address->candidates->len; i++) {
        struct sockaddr_storage native = {0};
        socklen_t bytes;
        autofd fd = open_socket(g_ptr_array_index(address->candidates, i),
                                &native, &bytes);
        failed = fd < 0 ? errno : connect_in_time(fd, &native, bytes);
        if (failed == 0) {
            return fd_steal(&fd);
        }
    }
    error_set(error, ERROR_PEER_GONE, "cannot connect to %s: %s",
              address->text, g_strerror(failed));
    return -1;
}

void
wire_address_unlink(const WireAddress *address)
{
    if (address->unix_path) {
        unlink(address->unix_path);
    }
}
