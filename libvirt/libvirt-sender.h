/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * 'postlude send --follow' as a child: the process that serves the guest's
 * memory. It outlives whoever started it when the guest needs it, and only
 * then. Killed in the switchover or after it, 'send --resume' takes its place
 * and counts as the same. Main thread, with the default main context.
 */
#pragma once

#include "migrate/show/migrate-event-line.h"

typedef struct {
    const char *program;    /* postlude */
    const char *qmp_path;
    const char *listen;
    const char *token_path;
    const char *const *more; /* arguments as they are, NULL-terminated */
    bool quiet;              /* its report is not printed */
    const char *unit;   /* systemd's name for its scope; NULL: no systemd */
    const char *domain; /* for the description of that */
} LibvirtSenderOptions;

typedef struct LibvirtSender LibvirtSender;

/* Runs it in a session of its own: a Ctrl-C is for us to judge; and out of our
 * cgroup (libvirt-scope.h), or with a warning in it. ON_CHANGE is called at
 * every word of it, and when it has ended. */
LibvirtSender *libvirt_sender_start(const LibvirtSenderOptions *options,
                                    void (*on_change)(gpointer data),
                                    gpointer data, GError **error);

/* Cancels it, unless it is past the point of no return, and does not wait. */
void libvirt_sender_free(LibvirtSender *sender);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(LibvirtSender, libvirt_sender_free)

/* The last line it wrote; its stage is "" before the first, and it is no "over"
 * if it was killed. */
const MigrateEventLine *libvirt_sender_line(const LibvirtSender *sender);

/* True once it has said STAGE. */
bool libvirt_sender_has_said(const LibvirtSender *sender, const char *stage);

/* As far as it has told us: it may know better. */
bool libvirt_sender_is_past_no_return(const LibvirtSender *sender);

bool libvirt_sender_has_ended(const LibvirtSender *sender);

/* After it has ended: its exit status, 3 if it was killed past the point of no
 * return, else 1. */
int libvirt_sender_exit_status(const LibvirtSender *sender);

/* After it has ended: why, in words; of use unless it is 0. */
const char *libvirt_sender_end(const LibvirtSender *sender);

/* It was killed, and 'send --resume' has or had its place. */
bool libvirt_sender_was_replaced(const LibvirtSender *sender);

/* After it has ended: it was killed, and nobody took back what it had switched on
 * in QEMU, or brought the memory that was still to go, because its successor was
 * killed as well or did not get to it. 'postlude send --resume' does. */
bool libvirt_sender_left_work(const LibvirtSender *sender);

/* Asks it to take everything back; without effect past the point of no
 * return. */
void libvirt_sender_cancel(LibvirtSender *sender);
