/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A session of a guest that is none (session-scene.h) with RAM of its own,
 * connections whose other ends are the test's, and a monitor by script, if
 * wanted. Main thread only, but for what link_scene_play() runs.
 */
#pragma once

#include "migrate/session/migrate-wait.h"
#include "tests/support/wire-peer.h"
#include "tests/unit/qmp-words.h"
#include "tests/unit/session-scene.h"

/* One block of two extents; the second holds no data. */
#define LINK_PAGES 1024u
#define LINK_DATA_PAGES 16u

typedef struct LinkScene {
    SessionScene guest;
    MigrateSession *session;
    QmpPeer *monitor;
    unsigned port; /* where the source listens */
    int listener;  /* where the destination dials: the test's */
    int control, device, urgent, bulk; /* the test's ends; -1: hung up */
    GThread *peer;
    void (*play)(struct LinkScene *scene);
} LinkScene;

/* Linked (one stream), as before RUN; STEPS: NULL is without a monitor. */
void link_scene_init(LinkScene *scene, MigrateRole role,
                     const QmpPeerStep *steps);
void link_scene_clear(LinkScene *scene);

/* Its script, which waits, goes on, and has said something when this returns.
 */
void link_scene_let_monitor_speak(LinkScene *scene);

/* Plays the peer on a thread of its own; it has ended when the scene is
 * cleared. */
void link_scene_play(LinkScene *scene, void (*play)(LinkScene *scene));

/* Says a frame on FD; PAYLOAD (may be NULL) is taken over. */
void link_scene_say(int fd, unsigned type, GByteArray *payload);
GByteArray *link_scene_run(bool start_guest);
GByteArray *link_scene_reconnect(unsigned flags);
/* All of it in one frame, the last: N pages from FIRST are there. */
GByteArray *link_scene_present(unsigned block, uint64_t first, uint32_t n);
/* The final ones: no extent holds data. */
GByteArray *link_scene_extents(void);
GByteArray *link_scene_ended(WireEndedCode code);

/* The next frame on FD is of TYPE. */
void link_scene_hear(int fd, unsigned type);

/* As a destination: dials and shows SESSION; and hears the answer. */
int link_scene_call(const LinkScene *scene, WireRole role, unsigned index,
                    const uint8_t session[WIRE_SESSION_BYTES]);
int link_scene_dial(const LinkScene *scene, WireRole role, unsigned index,
                    const uint8_t session[WIRE_SESSION_BYTES],
                    WireWelcome *welcome);
/* As a source: the next connection, which has to be of ROLE, is welcome. */
int link_scene_accept(const LinkScene *scene, WireRole role);

/* As a source that has said RUN, and says it again: lets a destination in that
 * comes back, says FLAGS and N_PRESENT frames of what it has, and hears it
 * until it hangs up. No page holds data any more. */
void link_scene_let_in_again(const LinkScene *scene, unsigned flags,
                             unsigned n_present);
