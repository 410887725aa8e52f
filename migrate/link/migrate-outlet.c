/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Sending: see migrate-outlet.h.
 */
#include "migrate/link/migrate-outlet.h"

#include "migrate/ram/migrate-ram-source.h"
#include "migrate/session/migrate-mailbox.h"

bool
migrate_outlet_tell_extents(MigrateSession *session, bool final,
                              GError **error)
{
    for (unsigned i = 0; i < session->guest.ram->n_blocks; i++) {
        const MigrateBlock *block = &session->guest.ram->blocks[i];
        g_autofree uint8_t *bitmap =
            migrate_ram_source_of(block)->data_extents(block, error);
        if (!bitmap) {
            return false;
        }
        for (uint32_t e = 0; final && e < block->extents; e++) {
            if (bitmap[e / 8] >> (e % 8) & 1) {
                migrate_order_offer(session->source.order, i, e);
            }
        }
        bool last = i + 1 == session->guest.ram->n_blocks;
        WireExtents extents = {
            .block = i,
            .flags = (final ? WIRE_EXTENTS_FINAL : 0) |
                     (last ? WIRE_EXTENTS_LAST : 0),
            .n_extents = block->extents,
            .bitmap = bitmap,
        };
        g_autoptr(GByteArray) payload = g_byte_array_new();
        wire_extents_encode(&extents, payload);
        if (!migrate_session_tell(session, WIRE_FRAME_EXTENTS, payload,
                                  error)) {
            return false;
        }
    }
    return true;
}

/* The order and the pages' bits must exist before the urgent thread does. */
void
migrate_outlet_make_order(MigrateSession *session)
{
    g_clear_pointer(&session->source.order, migrate_order_free);
    g_clear_pointer(&session->source.sent, migrate_sent_free);
    g_autofree uint32_t *extents =
        g_new0(uint32_t, session->guest.ram->n_blocks);
    for (unsigned i = 0; i < session->guest.ram->n_blocks; i++) {
        extents[i] = session->guest.ram->blocks[i].extents;
    }
    session->source.order =
        migrate_order_new(extents, session->guest.ram->n_blocks);
    session->source.sent = migrate_sent_new(session->guest.ram);
}

bool
migrate_outlet_start_serving(MigrateSession *session, GError **error)
{
    session->source.serve = migrate_serve_start(
        session->peer.urgent, session->guest.ram, session->source.sent,
        session->source.order, &session->alarm);
    return session->source.serve || migrate_alarm_take(&session->alarm, error);
}

void
migrate_outlet_start_pushing(MigrateSession *session)
{
    /* TLS has to touch every byte: sendfile() would only add a copy. */
    bool zero_copy = !wire_address_is_local(session->peer.address) &&
                     !wire_address_creds(session->peer.address);
    bool ok = true;
    for (unsigned i = 0; ok && i < session->peer.n_streams; i++) {
        session->source.push[i] = migrate_push_start(
            session->peer.bulk[i], session->guest.ram, session->source.sent,
            session->source.order, zero_copy, &session->alarm);
        ok = session->source.push[i] != NULL;
    }
}

void
migrate_outlet_stop_threads(MigrateSession *session)
{
    g_clear_pointer(&session->source.serve, migrate_serve_stop);
    for (unsigned i = 0; i < session->peer.n_streams; i++) {
        g_clear_pointer(&session->source.push[i], migrate_push_stop);
    }
    g_clear_pointer(&session->relay, migrate_relay_stop);
}
