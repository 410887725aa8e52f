/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What has become of the domain, from how its two halves ended: libvirt's call
 * and our sender. Pure: words for a person, and an exit status.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#define LIBVIRT_VERDICT_DONE 0
#define LIBVIRT_VERDICT_FAILED 1 /* the guest is where it was */
#define LIBVIRT_VERDICT_USAGE 2
#define LIBVIRT_VERDICT_GIVEN_UP 3 /* it went, and something is left to do */

typedef struct {
    const char *domain;
    const char *state;    /* "running": what libvirt says of it on this host */
    const char *qmp_path; /* of the monitor that is ours */
    bool called;          /* libvirt was told to migrate */
    const char *failure;  /* what it said then; NULL: it moved the domain */
    int sender_status;    /* as exit statuses of 'postlude send' are */
    const char *sender_end;
    const char *ended; /* how the guest ended there, by itself; or NULL */
    bool armed;          /* the destination was, at some time */
    bool past_no_return; /* as far as the sender said */
    bool left_work;      /* libvirt_sender_left_work() */
    const char *reason;  /* what went wrong first */
} LibvirtVerdict;

/* Returns what to exit with; ERROR is set unless that is DONE. */
int libvirt_verdict(const LibvirtVerdict *facts, GError **error);
