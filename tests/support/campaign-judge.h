/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What must be true after each migration of a campaign, whatever happened in
 * it: every word of the guest is right, it runs in one place, and nothing of
 * ours is left in either QEMU or on this host. Main thread only.
 */
#pragma once

#include "tests/support/campaign-move.h"

typedef struct CampaignJudge CampaignJudge;

/* Remembers what is on this host now. Orphans are adopted from now on. */
CampaignJudge *campaign_judge_new(void);
void campaign_judge_free(CampaignJudge *judge);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CampaignJudge, campaign_judge_free)

/* After all helpers have ended. */
bool campaign_judge_check(const CampaignJudge *judge, VmPair *pair,
                          const CampaignOutcome *outcome, GError **error);
