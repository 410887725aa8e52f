/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Certificates for tests, made on the spot: an authority, and directories in
 * the layout of QEMU and libvirt, right or wrong in one way. Removed at the
 * end. Main thread only; what cannot be made ends the test.
 */
#pragma once

#include <glib.h>

typedef enum {
    TLS_CERTS_EXPIRED = 1,         /* both certificates, yesterday */
    TLS_CERTS_OTHER_ISSUER = 2,    /* signed by another authority */
    TLS_CERTS_OTHER_AUTHORITY = 4, /* believes only another authority */
    TLS_CERTS_SWAPPED = 8,         /* the server's is for clients, and v.v. */
    TLS_CERTS_CLIENT_REVOKED = 16, /* a ca-crl.pem names the client's */
} TlsCertsFlaw;

typedef struct TlsCerts TlsCerts;

TlsCerts *tls_certs_new(void);
void tls_certs_free(TlsCerts *certs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TlsCerts, tls_certs_free)

/* A new directory with certificates of this authority: the server's for the
 * name and address SERVER, the client's with the common name CLIENT and no
 * other, as QEMU's manual makes them. Belongs to CERTS. */
const char *tls_certs_directory(TlsCerts *certs, const char *server,
                                const char *client, unsigned flaws);

/* A new file with TEXT, mode 0600. Belongs to CERTS. */
const char *tls_certs_file(TlsCerts *certs, const char *text);
