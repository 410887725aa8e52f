/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Drawing: see campaign-script.h.
 */
#include "tests/support/campaign-script.h"

/* The link timeout of a campaign is a second: some freezes outlast it. */
static const struct {
    const char *name;
    unsigned weight;
    unsigned least_ms, most_ms; /* how long it lasts */
} kinds[] = {
    [CAMPAIGN_CUT] = {"cut", 24, 0, 0},
    [CAMPAIGN_CUT_LATER] = {"cut-later", 14, 0, 0},
    [CAMPAIGN_SWALLOW] = {"swallow", 10, 0, 0},
    [CAMPAIGN_DELAY] = {"delay", 8, 100, 600},
    [CAMPAIGN_REFUSE] = {"refuse", 7, 50, 1200},
    [CAMPAIGN_DEAF] = {"deaf", 5, 50, 1200},
    [CAMPAIGN_FREEZE_RECEIVER] = {"freeze-receiver", 4, 50, 1500},
    [CAMPAIGN_FREEZE_SENDER] = {"freeze-sender", 4, 50, 1500},
    [CAMPAIGN_KILL_RECEIVER] = {"kill-receiver", 12, 0, 400},
    [CAMPAIGN_KILL_SENDER] = {"kill-sender", 12, 0, 400},
    [CAMPAIGN_KILL_BOTH] = {"kill-both", 8, 0, 400},
    [CAMPAIGN_END_SOURCE] = {"end-source", 5, 0, 0},
};
G_STATIC_ASSERT(G_N_ELEMENTS(kinds) == CAMPAIGN_KINDS);

const char *
campaign_kind_name(CampaignKind kind)
{
    return kind < CAMPAIGN_KINDS ? kinds[kind].name : "?";
}

static unsigned
between(GRand *dice, unsigned least, unsigned most)
{
    return (unsigned)g_rand_int_range(dice, (gint32)least, (gint32)most + 1);
}

static const char *
one_of(GRand *dice, const char *const *words, unsigned n)
{
    return words[between(dice, 0, n - 1)];
}

static CampaignKind
draw_kind(GRand *dice)
{
    unsigned sum = 0;
    for (unsigned i = 0; i < CAMPAIGN_KINDS; i++) {
        sum += kinds[i].weight;
    }
    unsigned at = between(dice, 0, sum - 1);
    for (unsigned i = 0; i < CAMPAIGN_KINDS; i++) {
        if (at < kinds[i].weight) {
            return i;
        }
        at -= kinds[i].weight;
    }
    return CAMPAIGN_CUT;
}

static void
draw_order(GRand *dice, CampaignFault *fault)
{
    static const char *const hows[] = {"rst", "fin"};
    static const char *const whos[] = {"all",    "control", "urgent",
                                       "bulk:0", "bulk",    "all"};
    static const char *const ways[] = {"both", "to-source", "to-destination"};
    const char *how = one_of(dice, hows, G_N_ELEMENTS(hows));
    const char *who = one_of(dice, whos, G_N_ELEMENTS(whos));
    const char *way = one_of(dice, ways, G_N_ELEMENTS(ways));
    /* Headers are small, pages are not: half of the cuts are to hit each. */
    unsigned bytes = between(dice, 1, between(dice, 0, 1) ? 200 : 20000);
    char *text = fault->order;
    switch (fault->kind) {
    case CAMPAIGN_CUT:
        g_snprintf(text, CAMPAIGN_ORDER_BYTES, "cut %s %s", how, who);
        break;
    case CAMPAIGN_CUT_LATER:
        g_snprintf(text, CAMPAIGN_ORDER_BYTES, "cut-after %s %s %s %u", how,
                   who, way, bytes);
        break;
    case CAMPAIGN_SWALLOW:
        g_snprintf(text, CAMPAIGN_ORDER_BYTES, "swallow %s %s", who, way);
        break;
    case CAMPAIGN_DELAY:
        g_snprintf(text, CAMPAIGN_ORDER_BYTES, "delay %s %s %u %u", who, way,
                   between(dice, 5, 250), between(dice, 0, 150));
        break;
    case CAMPAIGN_REFUSE:
    case CAMPAIGN_DEAF:
        g_snprintf(text, CAMPAIGN_ORDER_BYTES, "%s %u",
                   campaign_kind_name(fault->kind), fault->lasts_ms);
        break;
    default:
        break;
    }
}

static void
draw_fault(GRand *dice, CampaignFault *fault)
{
    fault->kind = draw_kind(dice);
    fault->lasts_ms = between(dice, kinds[fault->kind].least_ms,
                              kinds[fault->kind].most_ms);
    /* One in three falls into what the one before it set off. */
    fault->after_ms = between(dice, 0, between(dice, 0, 2) ? 500 : 60);
    fault->sender_first = between(dice, 0, 1);
    draw_order(dice, fault);
}

void
campaign_script_draw(CampaignScript *script, unsigned seed, unsigned number)
{
    const guint32 seeds[] = {seed, number};
    g_autoptr(GRand) dice = g_rand_new_with_seed_array(seeds, 2);
    *script = (CampaignScript){
        .streams = between(dice, 1, 3),
        .n_faults = between(dice, 4, CAMPAIGN_MAX_FAULTS),
    };
    script->bulk_bytes_per_s =
        between(dice, 2000, 8000) * 1000 / script->streams;
    for (unsigned i = 0; i < script->n_faults; i++) {
        draw_fault(dice, &script->faults[i]);
    }
    script->tls = between(dice, 0, 3) == 0;
}

char *
campaign_script_to_text(const CampaignScript *script)
{
    GString *text = g_string_new(NULL);
    g_string_printf(text, "%u streams of %u kB/s%s", script->streams,
                    script->bulk_bytes_per_s / 1000,
                    script->tls ? " by TLS" : "");
    for (unsigned i = 0; i < script->n_faults; i++) {
        const CampaignFault *fault = &script->faults[i];
        g_string_append_printf(text, "; +%u ", fault->after_ms);
        g_string_append(text, fault->order[0]
                                  ? fault->order
                                  : campaign_kind_name(fault->kind));
        if (!fault->order[0] && fault->lasts_ms) {
            g_string_append_printf(text, " %u", fault->lasts_ms);
        }
        if (fault->kind == CAMPAIGN_KILL_BOTH) {
            g_string_append(text, fault->sender_first ? " sender first"
                                                      : " receiver first");
        }
    }
    return g_string_free(text, FALSE);
}
