/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What 'postlude migrate --json' says at the end: how it went, and the
 * sender's report inside. Pure.
 */
#pragma once

#define LIBVIRT_REPORT_SCHEMA 1

typedef struct {
    const char *domain, *uuid, *destination; /* UUID: NULL if not known */
    const char *outcome; /* "completed", "ended", "failed", "given-up" */
    const char *reason;          /* of any outcome but "completed", or NULL */
    const char *libvirt_failure; /* what libvirt said, or NULL */
    const char *sender_json;     /* the sender's report, or NULL */
} LibvirtReport;

/* The JSON document, newline at the end; owned by the caller. */
char *libvirt_report_to_json(const LibvirtReport *report);
