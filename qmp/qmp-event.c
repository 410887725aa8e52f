/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What QEMU says unasked: see qmp-event.h.
 */
#include "qmp/qmp-event.h"

void
qmp_event_free(QmpEvent *event)
{
    if (event) {
        g_free(event->name);
        g_free(event->status);
        g_free(event->reason);
        g_free(event);
    }
}
