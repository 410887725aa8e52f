/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How far a migration is: see migrate-figures.h.
 */
#include "migrate/show/migrate-figures.h"

static uint64_t
bytes_of(const MigrateSession *session, const WireLink *link)
{
    if (!link) {
        return 0;
    }
    return session->options.role == MIGRATE_SEND
               ? wire_link_bytes_sent(link)
               : wire_link_bytes_received(link);
}

void
migrate_figures_take(const MigrateSession *session, MigrateFigures *figures)
{
    *figures = (MigrateFigures){0};
    if (!session->guest.ram) {
        return;
    }
    figures->total_pages = session->guest.ram->pages;
    figures->extents = session->guest.ram->extents;
    figures->bytes = (session->options.role == MIGRATE_SEND
                          ? session->past.bytes_sent
                          : session->past.bytes_received) +
                     bytes_of(session, session->peer.urgent) +
                     bytes_of(session, session->peer.device);
    for (unsigned i = 0; i < session->peer.n_streams; i++) {
        figures->bytes += bytes_of(session, session->peer.bulk[i]);
    }
    if (session->options.role == MIGRATE_SEND) {
        figures->present_pages = session->source.present_pages;
        figures->faults = session->source.demand_pages;
        return;
    }
    figures->lay_extents = session->destination.lay_extents;
    figures->tried_extents = session->destination.tried_extents;
    if (session->destination.pages) {
        figures->present_pages =
            migrate_pages_present(session->destination.pages);
        figures->lacks_memory = migrate_shortage_lasts(
            migrate_pages_shortage(session->destination.pages));
        figures->huge_extents =
            migrate_huge_extents(session->destination.huge);
        figures->faults =
            session->destination.tally.demand_pages +
            migrate_fault_demanded(session->destination.fault);
    }
}
