/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The one error domain: see error.h.
 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

static const char *const code_names[] = {
    [ERROR_FAILED] = "failed",
    [ERROR_RETRY] = "retry",
    [ERROR_PEER_GONE] = "peer-gone",
    [ERROR_VM_GONE] = "vm-gone",
    [ERROR_UNSUPPORTED] = "unsupported",
    [ERROR_PROTOCOL] = "protocol",
    [ERROR_STATE] = "state",
    [ERROR_USAGE] = "usage",
    [ERROR_CANCELLED] = "cancelled",
};
G_STATIC_ASSERT(G_N_ELEMENTS(code_names) == ERROR_CANCELLED + 1);

/* Not G_DEFINE_QUARK, whose plain static two failing threads race for: to the
 * same value, but the thread sanitizer reports each such pair. */
GQuark
error_quark(void)
{
    static gsize quark;
    if (g_once_init_enter(&quark)) {
        g_once_init_leave(&quark,
                          g_quark_from_static_string("postlude-error-quark"));
    }
    return (GQuark)quark;
}

const char *
error_code_name(ErrorCode code)
{
    return code < G_N_ELEMENTS(code_names) ? code_names[code] : "unknown";
}

G_GNUC_PRINTF(4, 0)
static void
set_v(GError **error, ErrorCode code, const char *suffix, const char *format,
      va_list args)
{
    g_autofree char *text = g_strdup_vprintf(format, args);
    g_set_error(error, POSTLUDE_ERROR, (int)code, "%s%s%s", text,
                suffix ? ": " : "", suffix ? suffix : "");
}

bool
error_set(GError **error, ErrorCode code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_v(error, code, NULL, format, args);
    va_end(args);
    return false;
}

static ErrorCode
code_of_errno(int errnum)
{
    switch (errnum) {
    case EAGAIN:
    case EINTR:
    case EBUSY:
        return ERROR_RETRY;
    case EPIPE:
    case ECONNRESET:
    case ECONNREFUSED:
    case ECONNABORTED:
    case ETIMEDOUT:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return ERROR_PEER_GONE;
    case ESRCH:
        return ERROR_VM_GONE;
    case ENOSYS:
    case EOPNOTSUPP:
        return ERROR_UNSUPPORTED;
    default:
        return ERROR_FAILED;
    }
}

bool
error_set_errno(GError **error, int errnum, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    set_v(error, code_of_errno(errnum), g_strerror(errnum), format, args);
    va_end(args);
    return false;
}

bool
error_is(const GError *error, ErrorCode code)
{
    return error && g_error_matches(error, POSTLUDE_ERROR, (int)code);
}

const char *
error_errno_name(int errnum)
{
    const char *name = strerrorname_np(errnum);
    if (name) {
        return name;
    }
    g_autofree char *made = g_strdup_printf("E%d", errnum);
    return g_intern_string(made);
}
