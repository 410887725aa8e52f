/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Pauses: see collapse-pace.h.
 */
#include "collapse/collapse-pace.h"

#include <errno.h>
#include <glib.h>

static double
rest_after(uint64_t busy_ns, double duty)
{
    return (double)busy_ns * (1 - duty) / duty;
}

uint64_t
collapse_pace_rest_ns(const CollapsePace *pace, uint64_t prefault_ns,
                      uint64_t call_ns)
{
    if (pace->duty >= 1) {
        return 0;
    }
    double rest = rest_after(prefault_ns, pace->prefault_duty);
    if (call_ns > pace->free_ns) {
        rest += rest_after(call_ns, pace->duty);
    }
    return rest < (double)pace->max_rest_ns ? (uint64_t)rest
                                            : pace->max_rest_ns;
}

bool
collapse_pace_parse_duty(const char *text, double *duty)
{
    char *end;
    double percent = g_ascii_strtod(text, &end);
    if (end == text || (*end == '%' && end[1]) || (*end && *end != '%') ||
        !(percent > 0) || percent > 100) {
        return false;
    }
    *duty = percent / 100;
    return true;
}

bool
collapse_retry_after(const CollapseRetry *retry, int errnum, unsigned tried,
                     uint64_t *pause_ns)
{
    if ((errnum != EAGAIN && errnum != ENOMEM) || tried >= retry->tries) {
        return false;
    }
    uint64_t pause = retry->first_ns;
    for (unsigned i = 1; i < tried && pause < retry->most_ns; i++) {
        pause *= 2;
    }
    *pause_ns = MIN(pause, retry->most_ns);
    return true;
}
