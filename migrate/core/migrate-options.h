/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a helper was asked to do. Written by the command line, or completed from
 * the journal of a helper that died; only read after that.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef enum { MIGRATE_SEND, MIGRATE_RECEIVE } MigrateRole;

/* What the command line said; the strings belong to it and must outlive the
 * session. Paths are absolute, also the one in ADDRESS. */
typedef struct {
    MigrateRole role;
    char *qmp_path;
    int pid;                 /* 0: who listens on the QMP socket */
    char *address;           /* listen or connect */
    char *known;             /* resume: what the name in ADDRESS stood for */
    char *report_path;       /* or NULL */
    int streams;             /* 0: chosen from the cores */
    int peer_timeout_s;
    unsigned patience_percent; /* of the usual, 0: 100; migrate-patience.h */
    int link_timeout_s;      /* silence after which a connection counts as lost */
    gboolean resume;  /* take over from a helper that died */
    gboolean give_up; /* end what a helper that died left */
    gboolean no_confine, require_confine; /* see migrate-confine.h */
    gboolean insecure;
    gboolean tls;    /* with what is in WIRE_TLS_CREDS_DIRECTORY, or: */
    char *tls_creds; /* x509 from this directory, or NULL */
    char *tls_psk;   /* pre-shared keys of this file, or NULL */
    char *tls_name;  /* who the peer must be, or NULL */
    gboolean wait;   /* send: switch over on SIGUSR1 */
    gboolean paused; /* receive: leave the guest paused */
    gboolean follow; /* somebody else drives QEMU's migration */
    char *token_path; /* or NULL */
    int parent_fd; /* its end means cancel, before the point of no return */
    int events_fd; /* see migrate-events.h; these two: 0 is none */
    bool (*on_ready)(GError **error); /* receive --follow: QEMU may be given
                    * its guest; or NULL. On failure all is undone */
} MigrateOptions;

void migrate_options_clear(MigrateOptions *options);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(MigrateOptions, migrate_options_clear)
