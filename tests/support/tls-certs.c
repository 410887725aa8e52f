/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Certificates for tests: see tls-certs.h.
 */
#include "tests/support/tls-certs.h"

#include <arpa/inet.h>
#include <glib/gstdio.h>
#include <gnutls/x509.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

#define DAY (24 * 60 * 60)

typedef struct {
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t crt;
} Identity;

struct TlsCerts {
    char *root;
    Identity ours, others; /* authorities */
    unsigned n;            /* serial numbers and names of directories */
};

/* The text of a failed call, wherever in here. */
static void
must(int code)
{
    if (code < 0) {
        g_error("cannot make a test certificate: %s", gnutls_strerror(code));
    }
}

static void
identity_clear(Identity *identity)
{
    gnutls_x509_privkey_deinit(identity->key);
    gnutls_x509_crt_deinit(identity->crt);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Identity, identity_clear)

/* A key and an unsigned certificate for it. */
static Identity
draft(TlsCerts *certs, const char *name, time_t from, time_t to)
{
    Identity made;
    guint32 serial = GUINT32_TO_BE(++certs->n);
    must(gnutls_x509_privkey_init(&made.key));
    must(gnutls_x509_privkey_generate(
        made.key, GNUTLS_PK_ECDSA,
        GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
    must(gnutls_x509_crt_init(&made.crt));
    must(gnutls_x509_crt_set_version(made.crt, 3));
    must(gnutls_x509_crt_set_serial(made.crt, &serial, sizeof serial));
    must(gnutls_x509_crt_set_key(made.crt, made.key));
    must(gnutls_x509_crt_set_dn_by_oid(made.crt, GNUTLS_OID_X520_COMMON_NAME,
                                       0, name, (unsigned)strlen(name)));
    must(gnutls_x509_crt_set_activation_time(made.crt, from));
    must(gnutls_x509_crt_set_expiration_time(made.crt, to));
    return made;
}

static Identity
authority(TlsCerts *certs, const char *name)
{
    time_t now = time(NULL);
    Identity made = draft(certs, name, now - 9 * DAY, now + 9 * DAY);
    must(gnutls_x509_crt_set_ca_status(made.crt, 1));
    must(gnutls_x509_crt_set_key_usage(
        made.crt, GNUTLS_KEY_KEY_CERT_SIGN | GNUTLS_KEY_CRL_SIGN));
    must(gnutls_x509_crt_sign2(made.crt, made.crt, made.key, GNUTLS_DIG_SHA256,
                               0));
    return made;
}

TlsCerts *
tls_certs_new(void)
{
    g_autoptr(GError) error = NULL;
    TlsCerts *certs = g_new0(TlsCerts, 1);
    certs->root = g_dir_make_tmp("postlude-tls-XXXXXX", &error);
    g_assert_no_error(error);
    certs->ours = authority(certs, "our authority");
    certs->others = authority(certs, "another authority");
    return certs;
}

static void
remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name;
    while (dir && (name = g_dir_read_name(dir))) {
        g_autofree char *entry = g_build_filename(path, name, NULL);
        remove_tree(entry);
    }
    g_remove(path);
}

void
tls_certs_free(TlsCerts *certs)
{
    remove_tree(certs->root);
    identity_clear(&certs->ours);
    identity_clear(&certs->others);
    g_free(certs->root);
    g_free(certs);
}

static void
write_file(const char *directory, const char *name, const void *text,
           size_t bytes)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = g_build_filename(directory, name, NULL);
    g_file_set_contents_full(path, text, (gssize)bytes,
                             G_FILE_SET_CONTENTS_NONE, 0600, &error);
    g_assert_no_error(error);
}

static void
write_crt(const char *directory, const char *name, gnutls_x509_crt_t crt)
{
    gnutls_datum_t text;
    must(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &text));
    write_file(directory, name, text.data, text.size);
    gnutls_free(text.data);
}

static void
write_key(const char *directory, const char *name, gnutls_x509_privkey_t key)
{
    gnutls_datum_t text;
    must(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &text));
    write_file(directory, name, text.data, text.size);
    gnutls_free(text.data);
}

static void
name_server(gnutls_x509_crt_t crt, const char *server)
{
    struct in_addr ip;
    bool is_ip = inet_pton(AF_INET, server, &ip) == 1;
    must(gnutls_x509_crt_set_subject_alt_name(
        crt, is_ip ? GNUTLS_SAN_IPADDRESS : GNUTLS_SAN_DNSNAME,
        is_ip ? (const void *)&ip : server,
        is_ip ? (unsigned)sizeof ip : (unsigned)strlen(server),
        GNUTLS_FSAN_SET));
}

/* One of the two certificates of a directory; the caller clears it. */
static Identity
issue(TlsCerts *certs, const char *directory, bool is_server,
      const char *name, unsigned flaws)
{
    time_t now = time(NULL);
    bool expired = flaws & TLS_CERTS_EXPIRED;
    bool for_server = is_server != !!(flaws & TLS_CERTS_SWAPPED);
    const Identity *issuer =
        flaws & TLS_CERTS_OTHER_ISSUER ? &certs->others : &certs->ours;
    Identity made = draft(certs, name, now - 5 * DAY,
                          expired ? now - DAY : now + 5 * DAY);
    if (is_server) {
        name_server(made.crt, name);
    }
    must(gnutls_x509_crt_set_key_purpose_oid(
        made.crt,
        for_server ? GNUTLS_KP_TLS_WWW_SERVER : GNUTLS_KP_TLS_WWW_CLIENT, 0));
    must(gnutls_x509_crt_set_key_usage(made.crt,
                                       GNUTLS_KEY_DIGITAL_SIGNATURE));
    must(gnutls_x509_crt_sign2(made.crt, issuer->crt, issuer->key,
                               GNUTLS_DIG_SHA256, 0));
    write_crt(directory, is_server ? "server-cert.pem" : "client-cert.pem",
              made.crt);
    write_key(directory, is_server ? "server-key.pem" : "client-key.pem",
              made.key);
    return made;
}

static void
revoke_in(TlsCerts *certs, const char *directory,
          gnutls_x509_crt_t crt)
{
    time_t now = time(NULL);
    gnutls_x509_crl_t crl;
    gnutls_datum_t text;
    must(gnutls_x509_crl_init(&crl));
    must(gnutls_x509_crl_set_version(crl, 2));
    must(gnutls_x509_crl_set_this_update(crl, now - DAY));
    must(gnutls_x509_crl_set_next_update(crl, now + DAY));
    must(gnutls_x509_crl_set_crt(crl, crt, now - DAY));
    must(gnutls_x509_crl_set_number(crl, "\001", 1));
    must(gnutls_x509_crl_sign2(crl, certs->ours.crt, certs->ours.key,
                               GNUTLS_DIG_SHA256, 0));
    must(gnutls_x509_crl_export2(crl, GNUTLS_X509_FMT_PEM, &text));
    write_file(directory, "ca-crl.pem", text.data, text.size);
    gnutls_free(text.data);
    gnutls_x509_crl_deinit(crl);
}

const char *
tls_certs_directory(TlsCerts *certs, const char *server, const char *client,
                    unsigned flaws)
{
    g_autofree char *name = g_strdup_printf("pki-%u", ++certs->n);
    g_autofree char *path = g_build_filename(certs->root, name, NULL);
    g_assert_no_errno(g_mkdir(path, 0700));
    const Identity *believed =
        flaws & TLS_CERTS_OTHER_AUTHORITY ? &certs->others : &certs->ours;
    write_crt(path, "ca-cert.pem", believed->crt);
    g_auto(Identity) s = issue(certs, path, true, server, flaws);
    g_auto(Identity) c = issue(certs, path, false, client, flaws);
    if (flaws & TLS_CERTS_CLIENT_REVOKED) {
        revoke_in(certs, path, c.crt);
    }
    return g_intern_string(path);
}

const char *
tls_certs_file(TlsCerts *certs, const char *text)
{
    g_autofree char *name = g_strdup_printf("file-%u", ++certs->n);
    g_autofree char *path = g_build_filename(certs->root, name, NULL);
    write_file(certs->root, name, text, strlen(text));
    return g_intern_string(path);
}
