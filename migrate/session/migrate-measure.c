/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Going on counting: see migrate-measure.h.
 */
#include "migrate/session/migrate-measure.h"

static void
add_link(MigrateAccount *account, const WireLink *link)
{
    if (link) {
        account->bytes_sent += wire_link_bytes_sent(link);
        account->bytes_received += wire_link_bytes_received(link);
    }
}

static void
count_source(const MigrateSession *session, MigrateAccount *account)
{
    account->pushed_pages = session->past.pushed_pages;
    account->demand_pages = session->past.answered_pages;
    for (unsigned i = 0; i < session->peer.n_streams; i++) {
        if (session->source.push[i]) {
            account->pushed_pages +=
                migrate_push_sent(session->source.push[i]);
        }
    }
    if (session->source.serve) {
        account->demand_pages +=
            migrate_serve_answered(session->source.serve);
    }
    account->device_bytes = session->past.device_bytes +
                            migrate_relay_bytes(session->relay);
}

static void
count_destination(const MigrateSession *session, MigrateAccount *account)
{
    MigrateTally tally = {0};
    migrate_tally_add(&tally, &session->destination.tally);
    for (unsigned i = 0; i < session->peer.n_streams; i++) {
        if (session->destination.fill[i]) {
            migrate_fill_count(session->destination.fill[i], &tally);
        }
    }
    migrate_fault_count(session->destination.fault, &tally);
    account->demand_pages = tally.demand_pages;
    account->pushed_pages = tally.pushed_pages;
    account->zero_pages = tally.zero_pages;
    account->discarded_pages = tally.discarded_pages;
    account->duplicate_pages = tally.duplicates;
    account->device_bytes =
        session->past.device_bytes +
        (session->peer.device ? wire_link_bytes_received(session->peer.device)
                              : 0);
}

void
migrate_measure_take(const MigrateSession *session, MigrateAccount *account)
{
    const MigrateReport *report = &session->report;
    *account = (MigrateAccount){
        .takeovers = report->takeovers,
        .started_ns = report->started_ns,
        .armed_ns = report->armed_ns,
        .waited_ns = report->waited_ns,
        .switched_ns = report->switched_ns,
        .arrived_ns = report->arrived_ns,
        .downtime_us = (uint64_t)(report->downtime_ms * 1000),
        .bytes_sent = session->past.bytes_sent,
        .bytes_received = session->past.bytes_received,
        .unknown_pages = report->pages.unknown,
        .lay_ns = report->huge.lay_ns,
        .laid_extents = report->huge.laid_extents,
        .source_ran = report->source_ran,
    };
    add_link(account, session->peer.device);
    add_link(account, session->peer.urgent);
    for (unsigned i = 0; i < session->peer.n_streams; i++) {
        add_link(account, session->peer.bulk[i]);
    }
    if (session->options.role == MIGRATE_SEND) {
        count_source(session, account);
    } else {
        count_destination(session, account);
    }
}

void
migrate_measure_give(const MigrateAccount *account, MigrateSession *session)
{
    MigrateReport *report = &session->report;
    MigrateTally *tally = &session->destination.tally;
    report->takeovers = account->takeovers + 1;
    report->started_ns = account->started_ns;
    report->armed_ns = account->armed_ns;
    report->waited_ns = account->waited_ns;
    report->switched_ns = account->switched_ns;
    report->arrived_ns = account->arrived_ns;
    report->downtime_ms = (double)account->downtime_us / 1000.0;
    report->pages.unknown = account->unknown_pages;
    report->huge.lay_ns = account->lay_ns;
    report->huge.laid_extents = account->laid_extents;
    report->source_ran = account->source_ran > 0;
    session->past.bytes_sent = account->bytes_sent;
    session->past.bytes_received = account->bytes_received;
    session->past.device_bytes = account->device_bytes;
    if (session->options.role == MIGRATE_SEND) {
        session->past.pushed_pages = account->pushed_pages;
        session->past.answered_pages = account->demand_pages;
        return;
    }
    tally->demand_pages = account->demand_pages;
    tally->pushed_pages = account->pushed_pages;
    tally->zero_pages = account->zero_pages;
    tally->discarded_pages = account->discarded_pages;
    tally->duplicates = account->duplicate_pages;
}

/* More than is here was counted if the helper died between counting some pages
 * and finishing them: they come again. */
void
migrate_measure_settle_pages(MigrateSession *session)
{
    MigrateTally *tally = &session->destination.tally;
    uint64_t here = migrate_pages_present(session->destination.pages);
    uint64_t known = tally->demand_pages + tally->pushed_pages +
                     tally->zero_pages + tally->discarded_pages +
                     session->report.pages.unknown;
    if (known <= here) {
        session->report.pages.unknown += here - known;
    } else {
        tally->pushed_pages -= MIN(known - here, tally->pushed_pages);
    }
}
