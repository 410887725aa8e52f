/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Taking pages in: see migrate-intake.h.
 */
#include "migrate/link/migrate-intake.h"

#include "base/error.h"
#include "migrate/session/migrate-wait.h"

WireLink *
migrate_intake_dial(MigrateSession *session, WireRole role, unsigned index,
                    GError **error)
{
    return wire_link_dial(session->peer.address, role, index,
                          session->peer.ticket, error);
}

bool
migrate_intake_dial_pages(MigrateSession *session, GError **error)
{
    session->peer.urgent =
        migrate_intake_dial(session, WIRE_ROLE_URGENT, 0, error);
    bool ok = session->peer.urgent != NULL;
    for (unsigned i = 0; ok && i < session->peer.n_streams; i++) {
        session->peer.bulk[i] =
            migrate_intake_dial(session, WIRE_ROLE_BULK, i, error);
        ok = session->peer.bulk[i] != NULL;
    }
    return ok;
}

bool
migrate_intake_take_extents(MigrateSession *session,
                                 const GByteArray *payload, bool final,
                                 bool *last, GError **error)
{
    WireExtents extents;
    if (!wire_extents_decode(payload, &extents, error)) {
        return false;
    }
    bool is_final = extents.flags & WIRE_EXTENTS_FINAL;
    if (extents.block >= session->guest.ram->n_blocks || is_final != final ||
        extents.first_extent >
            session->guest.ram->blocks[extents.block].extents ||
        extents.n_extents > session->guest.ram->blocks[extents.block].extents -
                                extents.first_extent) {
        return error_set(error, ERROR_PROTOCOL,
                         "the source lists extents %u+%u of block %u, which "
                         "do not exist",
                         extents.first_extent, extents.n_extents,
                         extents.block);
    }
    uint8_t *wanted = session->destination.wanted[extents.block];
    for (uint32_t i = 0; i < extents.n_extents; i++) {
        wanted[extents.first_extent + i] =
            extents.bitmap[i / 8] >> (i % 8) & 1;
    }
    *last = extents.flags & WIRE_EXTENTS_LAST;
    return true;
}

bool
migrate_intake_hear_extents(MigrateSession *session, bool final,
                                 int timeout_ms, GError **error)
{
    for (bool last = false; !last;) {
        g_autoptr(GByteArray) payload = migrate_session_expect(
            session, WIRE_FRAME_EXTENTS, timeout_ms, error);
        if (!payload || !migrate_intake_take_extents(
                            session, payload, final, &last, error)) {
            return false;
        }
    }
    return true;
}

void
migrate_intake_mark_holes(MigrateSession *session)
{
    for (unsigned i = 0; i < session->guest.ram->n_blocks; i++) {
        for (uint32_t e = 0; e < session->guest.ram->blocks[i].extents; e++) {
            if (!session->destination.wanted[i][e]) {
                migrate_pages_hole(session->destination.pages, i, e,
                                   &session->destination.tally);
            }
        }
    }
}

void
migrate_intake_start_filling(MigrateSession *session)
{
    bool ok = true;
    for (unsigned i = 0; ok && i < session->peer.n_streams; i++) {
        session->destination.fill[i] = migrate_fill_start(
            session->peer.bulk[i], session->destination.pages, &session->alarm);
        ok = session->destination.fill[i] != NULL;
    }
}

void
migrate_intake_tell_progress(MigrateSession *session)
{
    g_autoptr(GByteArray) payload = g_byte_array_new();
    wire_progress_encode(migrate_pages_present(session->destination.pages),
                         session->destination.tally.demand_pages +
                             migrate_fault_demanded(
                                 session->destination.fault),
                         payload);
    migrate_session_tell(session, WIRE_FRAME_PROGRESS, payload, NULL);
}
