/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The seed brings a campaign back, and nothing that may happen is left out.
 */
#include "tests/support/campaign-script.h"

#include "tests/support/fault-order.h"

static char *
text_of(unsigned seed, unsigned number)
{
    CampaignScript script;
    campaign_script_draw(&script, seed, number);
    return campaign_script_to_text(&script);
}

static void
the_seed_decides(void)
{
    for (unsigned i = 0; i < 50; i++) {
        g_autofree char *first = text_of(i, 7);
        g_autofree char *again = text_of(i, 7);
        g_autofree char *other = text_of(i + 1, 7);
        g_autofree char *next = text_of(i, 8);
        g_assert_cmpstr(first, ==, again);
        g_assert_cmpstr(first, !=, other);
        g_assert_cmpstr(first, !=, next);
    }
}

/* A typing error in an order would be found hours into a campaign. */
static void
every_order_is_one(void)
{
    bool seen[CAMPAIGN_KINDS] = {false};
    unsigned faults = 0;
    for (unsigned number = 0; number < 300; number++) {
        CampaignScript script;
        campaign_script_draw(&script, 1, number);
        g_assert_cmpuint(script.n_faults, <=, CAMPAIGN_MAX_FAULTS);
        g_assert_cmpuint(script.streams, >, 0);
        g_assert_cmpuint(script.bulk_bytes_per_s, >, 0);
        faults += script.n_faults;
        for (unsigned i = 0; i < script.n_faults; i++) {
            g_autoptr(GError) error = NULL;
            FaultOrder order;
            seen[script.faults[i].kind] = true;
            if (script.faults[i].order[0]) {
                fault_order_parse(script.faults[i].order, &order, &error);
                g_assert_no_error(error);
            }
        }
    }
    for (unsigned i = 0; i < CAMPAIGN_KINDS; i++) {
        if (!seen[i]) {
            g_error("%s never happens", campaign_kind_name(i));
        }
    }
    g_assert_cmpuint(faults, >=, 1200);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/campaign-script/seed", the_seed_decides);
    g_test_add_func("/campaign-script/orders", every_order_is_one);
    return g_test_run();
}
