/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two links that greet each other over loopback TCP, each with its own
 * credentials or none, and what became of it.
 */
#pragma once

#include "wire/wire-link.h"

typedef struct {
    WireTlsCreds *in;     /* the listener's, owned; NULL: plain text */
    WireAddress *address; /* has the dialler's */
    WireLink *listener, *dialler;   /* NULL if that side did not agree */
    GError *accepted, *dialled;     /* and why */
    char *listener_saw, *dialler_saw; /* wire_link_describe() */
} TlsScene;

/* Takes IN and OUT over (NULL: plain text). The session is one byte of 7. */
void tls_scene_greet(TlsScene *scene, WireTlsCreds *in, WireTlsCreds *out);
void tls_scene_clear(TlsScene *scene);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TlsScene, tls_scene_clear)

/* The listener's half alone, in a thread, for a caller that the test plays
 * itself on the connected socket it gets. */
int tls_scene_await(TlsScene *scene, WireTlsCreds *in, GThread **thread);

/* ERROR contains TEXT, or is none if TEXT is NULL. */
void tls_scene_assert_says(const GError *error, const char *text);
