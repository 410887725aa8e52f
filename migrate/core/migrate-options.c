/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What a helper was asked to do: see migrate-options.h.
 */
#include "migrate/core/migrate-options.h"

void
migrate_options_clear(MigrateOptions *options)
{
    g_clear_pointer(&options->qmp_path, g_free);
    g_clear_pointer(&options->address, g_free);
    g_clear_pointer(&options->known, g_free);
    g_clear_pointer(&options->report_path, g_free);
    g_clear_pointer(&options->token_path, g_free);
    g_clear_pointer(&options->tls_creds, g_free);
    g_clear_pointer(&options->tls_psk, g_free);
    g_clear_pointer(&options->tls_name, g_free);
}
