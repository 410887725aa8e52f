/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Who is believed and who is not: each flaw of either side's credentials ends
 * the greeting on both sides, with words that name it.
 */
#include "wire/wire-tls-creds.h"

#include <gnutls/gnutls.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/support/tls-certs.h"
#include "tests/unit/tls-scene.h"

#define KEY "00112233445566778899aabbccddeeff"
#define OTHER_KEY "ff112233445566778899aabbccddeeff"

static TlsCerts *certs;

typedef struct {
    const char *name;
    unsigned listener_flaws, dialler_flaws;
    const char *hostname, *peer; /* whom the dialler, the listener wants */
    const char *listener_says, *dialler_says;
} Case;

static const Case cases[] = {
    {.name = "right", .hostname = "source.example"},
    {.name = "right-peer", .hostname = "source.example",
     .peer = "receiver.example"},
    {.name = "wrong-hostname", .hostname = "other.example",
     .listener_says = "refused our credentials",
     .dialler_says = "give it by --tls-hostname"},
    {.name = "wrong-peer", .hostname = "source.example",
     .peer = "other.example",
     .listener_says = "is for 'receiver.example', not for 'other.example'",
     .dialler_says = "refused our credentials"},
    {.name = "no-part-of-a-name", .hostname = "source.example",
     .peer = "receiver",
     .listener_says = "is for 'receiver.example', not for 'receiver'",
     .dialler_says = "refused our credentials"},
    {.name = "dialler-of-another-authority",
     .dialler_flaws = TLS_CERTS_OTHER_ISSUER, .hostname = "source.example",
     .listener_says = "issuer is unknown",
     .dialler_says = "refused our credentials"},
    {.name = "listener-of-another-authority",
     .listener_flaws = TLS_CERTS_OTHER_ISSUER, .hostname = "source.example",
     .listener_says = "refused our credentials",
     .dialler_says = "issuer is unknown"},
    {.name = "dialler-expired", .dialler_flaws = TLS_CERTS_EXPIRED,
     .hostname = "source.example", .listener_says = "expired",
     .dialler_says = "refused our credentials"},
    {.name = "listener-expired", .listener_flaws = TLS_CERTS_EXPIRED,
     .hostname = "source.example",
     .listener_says = "refused our credentials", .dialler_says = "expired"},
    {.name = "a-client-plays-source", .listener_flaws = TLS_CERTS_SWAPPED,
     .hostname = "source.example",
     .listener_says = "refused our credentials",
     .dialler_says = "does not match the intended purpose"},
    {.name = "a-server-plays-destination",
     .dialler_flaws = TLS_CERTS_SWAPPED, .hostname = "source.example",
     .listener_says = "does not match the intended purpose",
     .dialler_says = "refused our credentials"},
};

/* Loading what has expired warns, and works: the other side decides. */
static WireTlsCreds *
load(bool listens, const char *peer, unsigned flaws)
{
    g_autoptr(GError) error = NULL;
    const char *directory = tls_certs_directory(
        certs, "source.example", "receiver.example", flaws);
    if (flaws & TLS_CERTS_EXPIRED) {
        g_test_expect_message("wire", G_LOG_LEVEL_WARNING, "*has expired*");
    }
    WireTlsCreds *creds =
        wire_tls_creds_x509(listens, directory, peer, &error);
    g_assert_no_error(error);
    g_test_assert_expected_messages();
    return creds;
}

static void
test_case(gconstpointer data)
{
    const Case *c = data;
    g_auto(TlsScene) scene = {0};
    tls_scene_greet(&scene, load(true, c->peer, c->listener_flaws),
                    load(false, c->hostname, c->dialler_flaws));
    tls_scene_assert_says(scene.accepted, c->listener_says);
    tls_scene_assert_says(scene.dialled, c->dialler_says);
    if (!c->listener_says) {
        g_assert_nonnull(strstr(scene.listener_saw, "TLS 1.3 (x509, AES-"));
        g_assert_nonnull(strstr(scene.listener_saw, "with receiver.example"));
        g_assert_nonnull(strstr(scene.dialler_saw, "with source.example"));
    } else {
        /* No refusal may look like a host that is just not up yet. */
        g_assert_true(error_is(scene.dialled, ERROR_PROTOCOL));
        g_assert_null(scene.listener);
    }
}

static void
test_revoked(void)
{
    g_autoptr(GError) error = NULL;
    const char *directory =
        tls_certs_directory(certs, "source.example", "receiver.example",
                            TLS_CERTS_CLIENT_REVOKED);
    g_auto(TlsScene) scene = {0};
    WireTlsCreds *in = wire_tls_creds_x509(true, directory, NULL, &error);
    g_assert_no_error(error);
    WireTlsCreds *out =
        wire_tls_creds_x509(false, directory, "source.example", &error);
    g_assert_no_error(error);
    tls_scene_greet(&scene, in, out);
    tls_scene_assert_says(scene.accepted, "revoked");
    tls_scene_assert_says(scene.dialled, "refused our credentials");
}

static WireTlsCreds *
keys(bool listens, const char *text, const char *peer)
{
    g_autoptr(GError) error = NULL;
    WireTlsCreds *creds = wire_tls_creds_psk(
        listens, tls_certs_file(certs, text), peer, &error);
    g_assert_no_error(error);
    return creds;
}

static void
test_keys(void)
{
    static const struct {
        const char *in, *out, *peer, *listener_says, *dialler_says;
    } cases_[] = {
        {"qemu:" KEY "\n", "qemu:" KEY, NULL, NULL, NULL},
        {"# two\n\na:" OTHER_KEY "\nb:" KEY "\n", "b:" KEY, "b", NULL, NULL},
        {"qemu:" KEY, "qemu:" OTHER_KEY, NULL, "is not ours", "refused our"},
        {"qemu:" KEY, "other:" KEY, NULL, "is not ours", "refused our"},
        {"a:" OTHER_KEY "\nb:" KEY, "b:" KEY, "a", "is not ours",
         "refused our"},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(cases_); i++) {
        g_auto(TlsScene) scene = {0};
        tls_scene_greet(&scene, keys(true, cases_[i].in, cases_[i].peer),
                        keys(false, cases_[i].out, NULL));
        tls_scene_assert_says(scene.accepted, cases_[i].listener_says);
        tls_scene_assert_says(scene.dialled, cases_[i].dialler_says);
        if (!cases_[i].listener_says) {
            g_assert_nonnull(strstr(scene.listener_saw, "TLS 1.3 (psk, "));
        }
    }
}

/* A key on one side, certificates on the other. */
static void
test_kinds_do_not_mix(void)
{
    g_auto(TlsScene) one = {0}, two = {0};
    tls_scene_greet(&one, keys(true, "qemu:" KEY, NULL),
                    load(false, "source.example", 0));
    tls_scene_assert_says(one.accepted, "one side has a pre-shared key");
    tls_scene_assert_says(one.dialled, "refused our credentials");
    tls_scene_greet(&two, load(true, NULL, 0),
                    keys(false, "qemu:" KEY, NULL));
    tls_scene_assert_says(two.accepted, "refused our credentials");
    tls_scene_assert_says(two.dialled, "one side has a pre-shared key");
}

static void
test_plain_text_meets_tls(void)
{
    g_auto(TlsScene) one = {0}, two = {0}, none = {0};
    tls_scene_greet(&one, load(true, NULL, 0), NULL);
    tls_scene_assert_says(one.accepted, "the caller speaks plain text");
    tls_scene_assert_says(one.dialled, "refused us: this side wants TLS");
    tls_scene_greet(&two, NULL, load(false, "source.example", 0));
    tls_scene_assert_says(two.accepted, "speaks plain text, the caller TLS");
    tls_scene_assert_says(two.dialled, "the other side speaks plain text");
    g_assert_true(error_is(two.dialled, ERROR_PROTOCOL));
    tls_scene_greet(&none, NULL, NULL);
    g_assert_cmpstr(none.dialler_saw, ==, "plain text");
}

/* A caller of GnuTLS's own making: SESSION shakes hands on FD, and may then
 * read the listener's last word. True if neither said no. */
static bool
call_by_hand(int fd, const char *priority,
             gnutls_certificate_credentials_t creds)
{
    char byte;
    gnutls_session_t session;
    gnutls_init(&session, GNUTLS_CLIENT);
    g_assert_cmpint(gnutls_priority_set_direct(session, priority, NULL), ==,
                    0);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, creds);
    gnutls_transport_set_int(session, fd);
    gnutls_handshake_set_timeout(session, 10000);
    int code;
    do {
        code = gnutls_handshake(session);
    } while (code < 0 && !gnutls_error_is_fatal(code));
    ssize_t n = code < 0 ? code : gnutls_record_recv(session, &byte, 1);
    gnutls_deinit(session);
    return n > 0 || n == GNUTLS_E_AGAIN;
}

static void
refuse_by_hand(const char *priority, const char *says)
{
    GThread *thread;
    TlsScene scene;
    gnutls_certificate_credentials_t nobody;
    gnutls_certificate_allocate_credentials(&nobody);
    int fd = tls_scene_await(&scene, load(true, NULL, 0), &thread);
    g_assert_false(call_by_hand(fd, priority, nobody));
    g_thread_join(thread);
    tls_scene_assert_says(scene.accepted, says);
    tls_scene_clear(&scene);
    fd_clear(&fd);
    gnutls_certificate_free_credentials(nobody);
}

static void
test_no_certificate(void)
{
    refuse_by_hand("NORMAL:-VERS-ALL:+VERS-TLS1.3", "has shown no certificate");
}

static void
test_old_version(void)
{
    refuse_by_hand("NORMAL:-VERS-ALL:+VERS-TLS1.2", "does not speak TLS 1.3");
}

static void
refuse_file(const char *text, const char *says)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(wire_tls_creds_psk(true, tls_certs_file(certs, text), NULL,
                                     &error));
    g_assert_true(error_is(error, ERROR_USAGE));
    tls_scene_assert_says(error, says);
}

static void
test_what_cannot_be_loaded(void)
{
    g_autoptr(GError) none = NULL, mixed = NULL, file = NULL;
    refuse_file("", "holds no key");
    refuse_file("qemu:" KEY "\nnonsense\n", "line 2: not USER:HEXKEY");
    refuse_file(":" KEY, "line 1: not USER:HEXKEY");
    refuse_file("qemu:zz" KEY, "not hexadecimal");
    refuse_file("qemu:0011223344556677", "shorter than 16 bytes");
    g_assert_null(wire_tls_creds_psk(true, "/nonexistent", NULL, &file));
    g_assert_true(error_is(file, ERROR_USAGE));
    g_assert_null(wire_tls_creds_x509(true, "/nonexistent", NULL, &none));
    tls_scene_assert_says(none, "/nonexistent/ca-cert.pem: No such file");
    /* A key that belongs to another certificate. */
    const char *one = tls_certs_directory(certs, "a", "b", 0);
    const char *two = tls_certs_directory(certs, "a", "b", 0);
    g_autofree char *from = g_strdup_printf("%s/server-key.pem", two);
    g_autofree char *to = g_strdup_printf("%s/server-key.pem", one);
    g_autofree char *key = NULL;
    gsize bytes;
    g_assert_true(g_file_get_contents(from, &key, &bytes, NULL));
    g_assert_true(g_file_set_contents(to, key, (gssize)bytes, NULL));
    g_assert_null(wire_tls_creds_x509(true, one, NULL, &mixed));
    tls_scene_assert_says(mixed, "server-key.pem");
}

static void
test_open_secrets(void)
{
    const char *file = tls_certs_file(certs, "qemu:" KEY);
    g_assert_no_errno(chmod(file, 0644));
    g_test_expect_message("wire", G_LOG_LEVEL_WARNING,
                          "*every user of this host can read*");
    g_autoptr(WireTlsCreds) creds =
        wire_tls_creds_psk(true, file, NULL, NULL);
    g_test_assert_expected_messages();
    g_assert_nonnull(creds);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    certs = tls_certs_new();
    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = g_strdup_printf("/creds/%s", cases[i].name);
        g_test_add_data_func(path, &cases[i], test_case);
    }
    g_test_add_func("/creds/revoked", test_revoked);
    g_test_add_func("/creds/keys", test_keys);
    g_test_add_func("/creds/kinds", test_kinds_do_not_mix);
    g_test_add_func("/creds/plain", test_plain_text_meets_tls);
    g_test_add_func("/creds/no-certificate", test_no_certificate);
    g_test_add_func("/creds/tls-1.2", test_old_version);
    g_test_add_func("/creds/loading", test_what_cannot_be_loaded);
    g_test_add_func("/creds/open-secrets", test_open_secrets);
    int status = g_test_run();
    tls_certs_free(certs);
    return status;
}
