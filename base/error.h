/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The one error domain. A code says what the caller can do about it; the
 * message is for the operator: what was tried, on what, why it failed, what
 * to do. Context is prefixed on the way up (g_prefix_error), and the whole
 * is printed once, at the top.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef enum {
    ERROR_FAILED,      /* none of the below: report it and stop */
    ERROR_RETRY,       /* the same call may succeed later */
    ERROR_PEER_GONE,   /* the other host or its connection is gone */
    ERROR_VM_GONE,     /* QEMU is gone, or its monitor is closed for good */
    ERROR_UNSUPPORTED, /* refused: this guest, host or kernel cannot do it */
    ERROR_PROTOCOL,    /* the other side said something we do not speak */
    ERROR_STATE,       /* right call, wrong moment (paused, not incoming...) */
    ERROR_USAGE,       /* the command line is wrong */
    ERROR_CANCELLED,   /* the operator asked us to stop */
} ErrorCode;

#define POSTLUDE_ERROR (error_quark())
GQuark error_quark(void);

/* A stable lower-case name of CODE for logs and reports ("peer-gone"). */
const char *error_code_name(ErrorCode code);

/* Sets *ERROR to our domain. CODE as above; FORMAT as printf. Always returns
 * false, so that a caller can write: return error_set(error, ...); */
bool error_set(GError **error, ErrorCode code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* The same from an errno value: ": strerror" is appended to the message, and
 * the code follows the number: EAGAIN, EINTR, EBUSY -> RETRY; EPIPE,
 * ECONNRESET, ETIMEDOUT... -> PEER_GONE; ESRCH -> VM_GONE; ENOSYS, EOPNOTSUPP
 * -> UNSUPPORTED; the rest FAILED. Always returns false. */
bool error_set_errno(GError **error, int errnum, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* True if ERROR is of our domain and has this code. NULL is no error. */
bool error_is(const GError *error, ErrorCode code);

/* The symbolic name of an errno value ("EBUSY"), for reports; "E<number>"
 * for one that has none. The string is static or interned. */
const char *error_errno_name(int errnum);
