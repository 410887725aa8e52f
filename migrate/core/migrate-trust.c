/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Credentials and the policy of addresses: see migrate-trust.h.
 */
#include "migrate/core/migrate-trust.h"

#include "base/error.h"

static bool
wants_tls(const MigrateOptions *options)
{
    return options->tls || options->tls_creds || options->tls_psk;
}

bool
migrate_trust_check(const MigrateOptions *options, GError **error)
{
    if (wants_tls(options) && !wire_tls_creds_are_built()) {
        return error_set(error, ERROR_USAGE,
                         "this postlude was built without TLS (meson option "
                         "'tls', needs GnuTLS): leave the --tls options away");
    }
    if (options->tls_creds && options->tls_psk) {
        return error_set(error, ERROR_USAGE,
                         "--tls-creds and --tls-psk exclude each other");
    }
    if (options->tls_name && !wants_tls(options)) {
        return error_set(
            error, ERROR_USAGE, "%s needs --tls, --tls-creds or --tls-psk",
            options->role == MIGRATE_SEND ? "--tls-peer" : "--tls-hostname");
    }
    if (options->tls_name && options->tls_psk &&
        options->role == MIGRATE_RECEIVE) {
        return error_set(error, ERROR_USAGE,
                         "--tls-hostname does not go with --tls-psk: a shared "
                         "key bears no host's name");
    }
    return true;
}

static const char *
directory(const MigrateOptions *options, GError **error)
{
    const char *found =
        options->tls_creds ? options->tls_creds : WIRE_TLS_CREDS_DIRECTORY;
    if (!g_file_test(found, G_FILE_TEST_IS_DIR)) {
        error_set(error, ERROR_USAGE,
                  "--tls: there is no directory %s; make the certificates "
                  "there as for QEMU, or give --tls-creds DIR or --tls-psk "
                  "FILE",
                  found);
        return NULL;
    }
    return found;
}

static WireTlsCreds *
load_x509(const MigrateOptions *options, const WireAddress *address,
          GError **error)
{
    bool listens = options->role == MIGRATE_SEND;
    const char *name = options->tls_name;
    if (!listens && !name) {
        name = wire_address_host(address);
    }
    if (!listens && !name) {
        error_set(error, ERROR_USAGE,
                  "%s names no host whose certificate could be checked: give "
                  "--tls-hostname NAME",
                  wire_address_text(address));
        return NULL;
    }
    const char *where = directory(options, error);
    return where ? wire_tls_creds_x509(listens, where, name, error) : NULL;
}

static bool
protect(const MigrateOptions *options, WireAddress *address, GError **error)
{
    WireTlsCreds *creds =
        options->tls_psk
            ? wire_tls_creds_psk(options->role == MIGRATE_SEND,
                                 options->tls_psk, options->tls_name, error)
            : load_x509(options, address, error);
    if (!creds) {
        return false;
    }
    wire_address_protect(address, creds);
    return true;
}

static bool
may_be_plain(const MigrateOptions *options, const WireAddress *address,
             GError **error)
{
    if (wire_address_is_local(address)) {
        return true;
    }
    if (!options->insecure) {
        return error_set(error, ERROR_USAGE,
                         "%s can be reached by other hosts: give --tls (or "
                         "--tls-creds, --tls-psk), use loopback or unix:PATH "
                         "through a tunnel of your own (ssh, WireGuard), or "
                         "--insecure on a network you trust",
                         wire_address_text(address));
    }
    g_warning("--insecure: everybody on the network path can read and "
              "change the guest's memory, and the first who connects "
              "receives it");
    return true;
}

WireAddress *
migrate_trust_address(const MigrateOptions *options, GError **error)
{
    /* Who takes over finds a guest that waits, and maybe no resolver: what was
     * known when the migration began has to do. */
    g_autoptr(WireAddress) address =
        wire_address_parse_known(options->address, options->known, error);
    bool ok = address && migrate_trust_check(options, error) &&
              (wants_tls(options) ? protect(options, address, error)
                                  : may_be_plain(options, address, error));
    return ok ? g_steal_pointer(&address) : NULL;
}

const char *
migrate_trust_kind(const WireAddress *address)
{
    const WireTlsCreds *creds = address ? wire_address_creds(address) : NULL;
    return creds ? wire_tls_creds_kind(creds) : NULL;
}
