/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A monitor that follows a script: listens on a UNIX socket in a directory of
 * its own, serves one client on a thread, and says and hears exactly what the
 * script names. What it did not hear as written fails qmp_peer_stop().
 */
#pragma once

#include <glib.h>
#include <sys/types.h>

typedef enum {
    QMP_PEER_END = 0,  /* wait until the client hangs up */
    QMP_PEER_GREET,    /* greeting of 7.2.22, and qmp_capabilities' answer */
    QMP_PEER_SAY,      /* TEXT as it is */
    QMP_PEER_DRIBBLE,  /* TEXT, one byte at a time */
    QMP_PEER_FLOOD,    /* 9 MiB of the first byte of TEXT */
    QMP_PEER_HEAR,     /* a command that contains TEXT; keeps its id */
    QMP_PEER_HEAR_FD,  /* the same, and a descriptor that reads as TEXT2 */
    QMP_PEER_ANSWER,   /* {"return": TEXT} to the command heard last */
    QMP_PEER_REFUSE,   /* a GenericError with TEXT2, or of class TEXT */
    QMP_PEER_ANSWER_OLD, /* {"return": TEXT} to the command before that */
    QMP_PEER_WAIT,     /* until qmp_peer_go(): for time-outs */
    QMP_PEER_CLOSE,    /* hang up */
} QmpPeerVerb;

typedef struct {
    QmpPeerVerb verb;
    const char *text;
    const char *text2;
} QmpPeerStep;

typedef struct QmpPeer QmpPeer;

/* STEPS must live until the stop; a step of QMP_PEER_END ends them. */
QmpPeer *qmp_peer_start(const QmpPeerStep *steps);
const char *qmp_peer_path(const QmpPeer *peer);

/* Lets a script that waits go on. */
void qmp_peer_go(QmpPeer *peer);

/* Waits for the script to end and removes the socket; the client must have
 * been closed. Asserts that everything was heard as written. */
void qmp_peer_stop(QmpPeer *peer);
