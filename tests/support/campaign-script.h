/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What happens to one migration of the campaign: drawn from the campaign's
 * seed and the migration's number alone, so that both bring it back. Pure.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define CAMPAIGN_MAX_FAULTS 8
#define CAMPAIGN_ORDER_BYTES 64

/* One of the network, named by what goes wrong, or one of a process. */
typedef enum {
    CAMPAIGN_CUT,           /* a connection or all, by reset or end */
    CAMPAIGN_CUT_LATER,     /* the same in the middle of a message */
    CAMPAIGN_SWALLOW,       /* half open */
    CAMPAIGN_DELAY,         /* for a while */
    CAMPAIGN_REFUSE,        /* cut, and nobody listens for a while */
    CAMPAIGN_DEAF,          /* cut, and nobody answers for a while */
    CAMPAIGN_FREEZE_RECEIVER,
    CAMPAIGN_FREEZE_SENDER,
    CAMPAIGN_KILL_RECEIVER, /* and resumed after a while */
    CAMPAIGN_KILL_SENDER,
    CAMPAIGN_KILL_BOTH,
    CAMPAIGN_END_SOURCE,    /* its QEMU, as management tools do */
    CAMPAIGN_KINDS,
} CampaignKind;

typedef struct {
    CampaignKind kind;
    unsigned after_ms;  /* the fault before it was over */
    unsigned lasts_ms;
    bool sender_first;  /* KILL_BOTH: who is resumed first */
    char order[CAMPAIGN_ORDER_BYTES]; /* to the proxy, or "" */
} CampaignFault;

typedef struct {
    unsigned streams;
    bool tls;
    unsigned bulk_bytes_per_s; /* of each stream: time for faults */
    unsigned n_faults;
    CampaignFault faults[CAMPAIGN_MAX_FAULTS];
} CampaignScript;

void campaign_script_draw(CampaignScript *script, unsigned seed,
                          unsigned number);

const char *campaign_kind_name(CampaignKind kind);

/* "cut rst bulk at 120; kill-receiver at 300 for 50; ..."; owned by the
 * caller. */
char *campaign_script_to_text(const CampaignScript *script);
