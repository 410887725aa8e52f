/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What was looked at: see migrate-checked.h.
 */
#include "migrate/check/migrate-checked.h"

void
migrate_checked_clear(MigrateChecked *checked)
{
    g_clear_pointer(&checked->name, g_free);
    g_clear_pointer(&checked->uuid, g_free);
    g_clear_pointer(&checked->state, g_free);
}
