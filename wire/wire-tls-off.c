/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What stands for wire-tls.c and wire-tls-creds.c in a build without GnuTLS
 * (-Dtls=disabled): credentials cannot be had, so nobody comes to the rest.
 */
#include <sys/types.h>

#include "base/error.h"
#include "wire/wire-tls.h"

bool
wire_tls_creds_are_built(void)
{
    return false;
}

static WireTlsCreds *
tls_off_refuse(GError **error)
{
    error_set(error, ERROR_USAGE, "built without TLS");
    return NULL;
}

WireTlsCreds *
wire_tls_creds_x509(bool listens, const char *directory, const char *peer,
                    GError **error)
{
    return tls_off_refuse(error);
}

WireTlsCreds *
wire_tls_creds_psk(bool listens, const char *file, const char *peer,
                   GError **error)
{
    return tls_off_refuse(error);
}

void
wire_tls_creds_free(WireTlsCreds *creds)
{
}

const char *
wire_tls_creds_kind(const WireTlsCreds *creds)
{
    return "none";
}

static bool
no_tls(GError **error)
{
    return error_set(error, ERROR_UNSUPPORTED, "built without TLS");
}

WireTls *
wire_tls_accept(int fd, const WireTlsCreds *creds, uint64_t deadline_ns,
                GError **error)
{
    no_tls(error);
    return NULL;
}

WireTls *
wire_tls_dial(int fd, const WireTlsCreds *creds, uint64_t deadline_ns,
              GError **error)
{
    no_tls(error);
    return NULL;
}

void
wire_tls_free(WireTls *tls)
{
}

bool
wire_tls_has_pending(WireTls *tls)
{
    return false;
}

bool
wire_tls_read(WireTls *tls, void *buffer, size_t bytes, uint64_t deadline_ns,
              GError **error)
{
    return no_tls(error);
}

ssize_t
wire_tls_read_some(WireTls *tls, void *buffer, size_t bytes, GError **error)
{
    no_tls(error);
    return -1;
}

bool
wire_tls_write(WireTls *tls, const void *buffer, size_t bytes, bool more,
               uint64_t deadline_ns, GError **error)
{
    return no_tls(error);
}

void
wire_tls_end(WireTls *tls)
{
}

char *
wire_tls_describe(WireTls *tls)
{
    return g_strdup("no TLS");
}
