/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * RAM files in systemd's store: see migrate-fdstore.h.
 */
#include "migrate/takeover/migrate-fdstore.h"

#ifdef HAVE_LIBSYSTEMD

#include <systemd/sd-daemon.h>

static char *
name_of(unsigned block)
{
    return g_strdup_printf("postlude-ram-%u", block);
}

void
migrate_fdstore_put(const MigrateRam *ram)
{
    for (unsigned i = 0; i < ram->n_blocks; i++) {
        g_autofree char *name = name_of(i);
        g_autofree char *words =
            g_strdup_printf("FDSTORE=1\nFDNAME=%s\nFDPOLL=0", name);
        int said = sd_pid_notify_with_fds(0, false, words,
                                          &ram->blocks[i].file, 1);
        if (said < 0) {
            g_warning("systemd does not take the guest's memory into its "
                      "store: %s", g_strerror(-said));
        }
    }
}

void
migrate_fdstore_fetch(MigrateRam *ram)
{
    int n = sd_listen_fds(true);
    for (int i = 0; i < n; i++) {
        migrate_ram_adopt_file(ram, SD_LISTEN_FDS_START + i);
    }
}

void
migrate_fdstore_clear(const MigrateRam *ram)
{
    for (unsigned i = 0; i < ram->n_blocks; i++) {
        g_autofree char *name = name_of(i);
        g_autofree char *words =
            g_strdup_printf("FDSTOREREMOVE=1\nFDNAME=%s", name);
        sd_notify(false, words);
    }
}

#else

void
migrate_fdstore_put(const MigrateRam *ram)
{
}

void
migrate_fdstore_fetch(MigrateRam *ram)
{
}

void
migrate_fdstore_clear(const MigrateRam *ram)
{
}

#endif
