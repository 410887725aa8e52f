/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Credentials: see wire-tls-creds.h.
 */
#include "wire/wire-tls-creds.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/error.h"

/* TLS 1.3 alone. AES-128 first: it is the cheapest where the CPU has AES, and
 * bulk is what most of a migration is. */
#define PRIORITY                                                              \
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:"                              \
    "+AES-128-GCM:+AES-256-GCM:+CHACHA20-POLY1305"

/* Only key exchanges with fresh keys: who learns the shared key later must not
 * be able to read what was recorded before. And no certificates, so that a
 * listener cannot answer with one that nobody would check. */
#define PSK_PRIORITY PRIORITY ":-KX-ALL:+ECDHE-PSK:+DHE-PSK"

#define LEAST_KEY_BYTES 16u

typedef struct {
    char *user;
    gnutls_datum_t key;
} Key;

struct WireTlsCreds {
    bool listens;
    char *peer;                              /* or NULL */
    gnutls_priority_t priority;
    gnutls_certificate_credentials_t x509;   /* or NULL */
    gnutls_psk_server_credentials_t psk_in;  /* or NULL */
    gnutls_psk_client_credentials_t psk_out; /* or NULL */
    GArray *keys;                            /* Key */
    gnutls_typed_vdata_st wanted[2];         /* of the peer's certificate */
};

bool
wire_tls_creds_are_built(void)
{
    return true;
}

static void
clear_key(gpointer data)
{
    Key *key = data;
    explicit_bzero(key->key.data, key->key.size);
    gnutls_free(key->key.data);
    g_free(key->user);
}

void
wire_tls_creds_free(WireTlsCreds *creds)
{
    if (creds->priority) {
        gnutls_priority_deinit(creds->priority);
    }
    if (creds->x509) {
        gnutls_certificate_free_credentials(creds->x509);
    }
    if (creds->psk_in) {
        gnutls_psk_free_server_credentials(creds->psk_in);
    }
    if (creds->psk_out) {
        gnutls_psk_free_client_credentials(creds->psk_out);
    }
    g_array_unref(creds->keys);
    g_free(creds->peer);
    g_free(creds);
}

static bool
tls_creds_check(int code, GError **error, const char *what)
{
    return code >= 0 ||
           error_set(error, ERROR_USAGE, "TLS: %s: %s", what,
                     gnutls_strerror(code));
}

static WireTlsCreds *
tls_creds_make(bool listens, const char *peer, const char *priority,
               GError **error)
{
    g_autoptr(WireTlsCreds) creds = g_new0(WireTlsCreds, 1);
    creds->listens = listens;
    creds->peer = g_strdup(peer);
    creds->keys = g_array_new(false, true, sizeof(Key));
    g_array_set_clear_func(creds->keys, clear_key);
    if (!tls_creds_check(
            gnutls_priority_init(&creds->priority, priority, NULL), error,
            "this host's GnuTLS does not allow TLS 1.3 with AES-GCM")) {
        return NULL;
    }
    return g_steal_pointer(&creds);
}

/* A secret that any user of this host can read is none; it works, though, and
 * whose files they are is the operator's business. */
static void
warn_if_open(const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && (st.st_mode & 004)) {
        g_warning("TLS: every user of this host can read %s: chmod o-r", path);
    }
}

static bool
must_exist(const char *path, GError **error)
{
    struct stat st;
    return stat(path, &st) == 0 ||
           error_set(error, ERROR_USAGE,
                     "TLS: %s: %s; --tls-creds DIR names the directory with "
                     "the certificates, made as for QEMU or libvirt",
                     path, g_strerror(errno));
}

static void
warn_of_dates(const char *path)
{
    gnutls_datum_t text;
    gnutls_x509_crt_t crt;
    if (gnutls_load_file(path, &text) < 0) {
        return;
    }
    gnutls_x509_crt_init(&crt);
    if (gnutls_x509_crt_import(crt, &text, GNUTLS_X509_FMT_PEM) >= 0) {
        time_t now = time(NULL);
        if (gnutls_x509_crt_get_expiration_time(crt) < now) {
            g_warning("TLS: %s has expired; the other host will refuse it",
                      path);
        } else if (gnutls_x509_crt_get_activation_time(crt) > now) {
            g_warning("TLS: %s is not valid yet; are the clocks right?", path);
        }
    }
    gnutls_x509_crt_deinit(crt);
    gnutls_free(text.data);
}

static bool
load_authority(WireTlsCreds *creds, const char *directory, GError **error)
{
    g_autofree char *ca = g_build_filename(directory, "ca-cert.pem", NULL);
    g_autofree char *crl = g_build_filename(directory, "ca-crl.pem", NULL);
    if (!must_exist(ca, error) ||
        !tls_creds_check(gnutls_certificate_set_x509_trust_file(
                             creds->x509, ca, GNUTLS_X509_FMT_PEM),
                         error, ca)) {
        return false;
    }
    warn_of_dates(ca);
    return !g_file_test(crl, G_FILE_TEST_EXISTS) ||
           tls_creds_check(gnutls_certificate_set_x509_crl_file(
                               creds->x509, crl, GNUTLS_X509_FMT_PEM),
                           error, crl);
}

static bool
load_own(WireTlsCreds *creds, const char *directory, GError **error)
{
    const char *role = creds->listens ? "server" : "client";
    g_autofree char *cert = g_strdup_printf("%s/%s-cert.pem", directory, role);
    g_autofree char *key = g_strdup_printf("%s/%s-key.pem", directory, role);
    g_autofree char *both = g_strdup_printf("%s with %s", cert, key);
    if (!must_exist(cert, error) || !must_exist(key, error) ||
        !tls_creds_check(gnutls_certificate_set_x509_key_file(
                             creds->x509, cert, key, GNUTLS_X509_FMT_PEM),
                         error, both)) {
        return false;
    }
    warn_if_open(key);
    warn_of_dates(cert);
    return true;
}

/* A certificate that was made for the other role is no proof: a client of the
 * authority must not be able to play a source. One without any extended key
 * usage passes, as everywhere. */
static void
want_purpose(WireTlsCreds *creds)
{
    static const char server[] = GNUTLS_KP_TLS_WWW_SERVER;
    static const char client[] = GNUTLS_KP_TLS_WWW_CLIENT;
    creds->wanted[0] = (gnutls_typed_vdata_st){
        .type = GNUTLS_DT_KEY_PURPOSE_OID,
        .data = (unsigned char *)(creds->listens ? client : server)};
    creds->wanted[1] = (gnutls_typed_vdata_st){
        .type = GNUTLS_DT_DNS_HOSTNAME,
        .data = (unsigned char *)creds->peer};
}

WireTlsCreds *
wire_tls_creds_x509(bool listens, const char *directory, const char *peer,
                    GError **error)
{
    g_autoptr(WireTlsCreds) creds =
        tls_creds_make(listens, peer, PRIORITY, error);
    if (!creds ||
        !tls_creds_check(gnutls_certificate_allocate_credentials(&creds->x509),
                         error, "no memory") ||
        !load_authority(creds, directory, error) ||
        !load_own(creds, directory, error)) {
        return NULL;
    }
    want_purpose(creds);
    return g_steal_pointer(&creds);
}

static bool
take_line(WireTlsCreds *creds, const char *line, GError **error)
{
    const char *colon = strchr(line, ':');
    if (!colon || colon == line) {
        return error_set(error, ERROR_USAGE, "not USER:HEXKEY");
    }
    gnutls_datum_t hex = {.data = (unsigned char *)colon + 1,
                          .size = (unsigned)strlen(colon + 1)};
    Key key = {0};
    if (gnutls_hex_decode2(&hex, &key.key) < 0) {
        return error_set(error, ERROR_USAGE, "the key is not hexadecimal");
    }
    key.user = g_strndup(line, (gsize)(colon - line));
    bool long_enough = key.key.size >= LEAST_KEY_BYTES;
    g_array_append_val(creds->keys, key);
    return long_enough ||
           error_set(error, ERROR_USAGE,
                     "the key is shorter than %u bytes: psktool makes one",
                     LEAST_KEY_BYTES);
}

static bool
load_keys(WireTlsCreds *creds, const char *file, GError **error)
{
    g_autoptr(GError) why = NULL;
    char *text = NULL;
    gsize length;
    if (!g_file_get_contents(file, &text, &length, &why)) {
        return error_set(error, ERROR_USAGE, "TLS: %s", why->message);
    }
    char *rest = text;
    bool ok = true;
    for (unsigned n = 1; ok && rest; n++) {
        char *line = g_strstrip(strsep(&rest, "\n"));
        ok = !*line || *line == '#' || take_line(creds, line, &why);
        if (!ok) {
            error_set(error, ERROR_USAGE, "TLS: %s, line %u: %s", file, n,
                      why->message);
        }
    }
    explicit_bzero(text, length);
    g_free(text);
    if (ok && creds->keys->len == 0) {
        ok = error_set(error, ERROR_USAGE,
                       "TLS: %s holds no key: 'psktool -u NAME -p FILE' makes "
                       "one", file);
    }
    warn_if_open(file);
    return ok;
}

/* GnuTLS takes 1 for "no such user" and goes on with a random key, so that a
 * stranger learns nothing about who exists. */
static int
find_key(gnutls_session_t session, const char *user, gnutls_datum_t *key)
{
    const WireTlsCreds *creds = gnutls_session_get_ptr(session);
    for (guint i = 0; i < creds->keys->len; i++) {
        const Key *known = &g_array_index(creds->keys, Key, i);
        if (strcmp(known->user, user) == 0 &&
            (!creds->peer || strcmp(creds->peer, user) == 0)) {
            key->data = gnutls_malloc(known->key.size);
            key->size = known->key.size;
            if (!key->data) {
                return -1;
            }
            memcpy(key->data, known->key.data, known->key.size);
            return 0;
        }
    }
    return 1;
}

static bool
make_psk(WireTlsCreds *creds, GError **error)
{
    static const char no_memory[] = "no memory";
    if (creds->listens) {
        if (!tls_creds_check(
                gnutls_psk_allocate_server_credentials(&creds->psk_in), error,
                no_memory)) {
            return false;
        }
        gnutls_psk_set_server_credentials_function(creds->psk_in, find_key);
        return true;
    }
    const Key *ours = &g_array_index(creds->keys, Key, 0);
    return tls_creds_check(
               gnutls_psk_allocate_client_credentials(&creds->psk_out), error,
               no_memory) &&
           tls_creds_check(
               gnutls_psk_set_client_credentials(
                   creds->psk_out, ours->user, &ours->key, GNUTLS_PSK_KEY_RAW),
               error, "the pre-shared key");
}

WireTlsCreds *
wire_tls_creds_psk(bool listens, const char *file, const char *peer,
                   GError **error)
{
    g_autoptr(WireTlsCreds) creds =
        tls_creds_make(listens, peer, PSK_PRIORITY, error);
    if (!creds || !load_keys(creds, file, error) || !make_psk(creds, error)) {
        return NULL;
    }
    return g_steal_pointer(&creds);
}

const char *
wire_tls_creds_kind(const WireTlsCreds *creds)
{
    return creds->x509 ? "x509" : "psk";
}

static bool
is_ip_address(const char *text)
{
    struct in6_addr ignored;
    return inet_pton(AF_INET, text, &ignored) == 1 ||
           inet_pton(AF_INET6, text, &ignored) == 1;
}

static int
equip_x509(const WireTlsCreds *creds, gnutls_session_t session)
{
    /* The listener's name check is its own: see wire_tls_creds_accepts(). */
    unsigned wanted = creds->listens ? 1 : 2;
    gnutls_session_set_verify_cert2(
        session, (gnutls_typed_vdata_st *)creds->wanted, wanted, 0);
    if (creds->listens) {
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
    } else if (!is_ip_address(creds->peer)) {
        gnutls_server_name_set(session, GNUTLS_NAME_DNS, creds->peer,
                               strlen(creds->peer));
    }
    return gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE,
                                  creds->x509);
}

bool
wire_tls_creds_equip(const WireTlsCreds *creds, gnutls_session_t session,
                     GError **error)
{
    gnutls_session_set_ptr(session, (void *)creds);
    int code = gnutls_priority_set(session, creds->priority);
    if (code >= 0 && creds->x509) {
        code = equip_x509(creds, session);
    } else if (code >= 0) {
        void *psk = creds->listens ? (void *)creds->psk_in
                                   : (void *)creds->psk_out;
        code = gnutls_credentials_set(session, GNUTLS_CRD_PSK, psk);
    }
    return tls_creds_check(code, error, "cannot prepare a connection");
}

/* The peer's own certificate, or NULL; the caller deinits it. */
static gnutls_x509_crt_t
peer_certificate(gnutls_session_t session)
{
    unsigned n = 0;
    gnutls_x509_crt_t crt;
    const gnutls_datum_t *chain = gnutls_certificate_get_peers(session, &n);
    if (!chain || n == 0 || gnutls_x509_crt_init(&crt) < 0) {
        return NULL;
    }
    if (gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER) < 0) {
        gnutls_x509_crt_deinit(crt);
        return NULL;
    }
    return crt;
}

/* The common name as a string without surprises inside, or NULL. More than one
 * says nothing certain. */
static char *
common_name(gnutls_x509_crt_t crt)
{
    char name[256], other[1];
    size_t size = sizeof name, none = sizeof other;
    if (gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, 0,
                                      name, &size) < 0 ||
        strlen(name) != size ||
        gnutls_x509_crt_get_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 1, 0,
                                      other, &none) !=
            GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE ||
        !g_utf8_validate(name, -1, NULL)) {
        return NULL;
    }
    return g_strdup(name);
}

char *
wire_tls_creds_peer_name(gnutls_session_t session)
{
    char *name = NULL;
    gnutls_x509_crt_t crt = peer_certificate(session);
    if (crt) {
        name = common_name(crt);
        gnutls_x509_crt_deinit(crt);
    } else if (gnutls_auth_get_type(session) == GNUTLS_CRD_PSK) {
        name = g_strdup(gnutls_psk_server_get_username(session));
    }
    for (char *at = name; at && *at; at++) {
        *at = g_ascii_iscntrl(*at) ? ' ' : *at;
    }
    return name;
}

static bool
has_dns_name(gnutls_x509_crt_t crt)
{
    int type = 0;
    for (unsigned i = 0; type >= 0; i++) {
        char name[256];
        size_t size = sizeof name;
        type = gnutls_x509_crt_get_subject_alt_name(crt, i, name, &size, NULL);
        if (type == GNUTLS_SAN_DNSNAME ||
            type == GNUTLS_E_SHORT_MEMORY_BUFFER) {
            return true;
        }
    }
    return false;
}

/* GnuTLS looks at the common name only in a certificate made for servers;
 * those that QEMU's and libvirt's manuals make for clients have nothing else
 * to be known by. Where the authority gave names of the new kind, only those
 * count. */
static bool
bears_name(gnutls_session_t session, const char *name)
{
    gnutls_x509_crt_t crt = peer_certificate(session);
    if (!crt) {
        return false;
    }
    bool is = gnutls_x509_crt_check_hostname(crt, name);
    if (!is && !has_dns_name(crt)) {
        g_autofree char *cn = common_name(crt);
        is = cn && g_ascii_strcasecmp(cn, name) == 0;
    }
    gnutls_x509_crt_deinit(crt);
    return is;
}

bool
wire_tls_creds_accepts(const WireTlsCreds *creds, gnutls_session_t session,
                       GError **error)
{
    gnutls_credentials_type_t wanted =
        creds->x509 ? GNUTLS_CRD_CERTIFICATE : GNUTLS_CRD_PSK;
    if (gnutls_protocol_get_version(session) != GNUTLS_TLS1_3 ||
        gnutls_auth_get_type(session) != wanted) {
        return error_set(error, ERROR_PROTOCOL,
                         "the TLS handshake proved nothing");
    }
    if (!creds->x509 || !creds->listens || !creds->peer ||
        bears_name(session, creds->peer)) {
        return true;
    }
    g_autofree char *name = wire_tls_creds_peer_name(session);
    return error_set(error, ERROR_PROTOCOL,
                     "the caller's certificate is for '%s', not for '%s' "
                     "(--tls-peer)",
                     name ? name : "(no name)", creds->peer);
}
