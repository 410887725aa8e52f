/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One migration of the campaign: the two helpers with the fault proxy between
 * them, a script done to them, whoever was killed taken over from, until both
 * have ended with exit status 0. Main thread only.
 */
#pragma once

#include "tests/support/campaign-script.h"
#include "tests/support/vm-pair.h"

#define CAMPAIGN_MAX_HELPERS (2 + 2 * CAMPAIGN_MAX_FAULTS)

typedef struct {
    unsigned done[CAMPAIGN_KINDS]; /* faults that met something */
    unsigned faults;
    unsigned resumed; /* helpers that took over */
    bool source_ended;
    pid_t helpers[CAMPAIGN_MAX_HELPERS]; /* all that were started */
    unsigned n_helpers;
    double seconds;   /* from RUN to the end of both */
} CampaignOutcome;

/* Moves PAIR's guest; PSK is the file of a key, for those by TLS. An error says
 * what did not go as it must, and what both helpers said. */
bool campaign_move(VmPair *pair, const CampaignScript *script, unsigned seed,
                   const char *psk, CampaignOutcome *outcome, GError **error);
