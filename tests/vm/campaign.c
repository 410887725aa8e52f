/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The campaign: guests are moved again and again while connections are cut,
 * delayed and swallowed, helpers frozen and killed, the source's QEMU ended;
 * all drawn from a seed. After each migration: no wrong word, both helpers
 * ended with 0 in the time that was to be expected, nothing left behind.
 *
 *   POSTLUDE_CAMPAIGN=N           migrations (default: a short one)
 *   POSTLUDE_CAMPAIGN_SEED=S      default: drawn, and printed; of the short one
 *                                 1, so that it is the same for the same tree
 *   POSTLUDE_CAMPAIGN_FIRST=I     begin with migration I, to have it again
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/fd.h"
#include "tests/support/campaign-judge.h"
#include "tests/support/campaign-move.h"
#include "tests/support/vm-expect.h"


#define SHORT_MIGRATIONS 8
#define SHORT_SECONDS 60
#define HOPS 10 /* of one guest, before the next one is started */

/* Small, so that a move is short; each has something the others have not. */
static const struct {
    const char *name;
    bool kvm;
    unsigned mib[3];
    const char *append;
} guests[] = {
    {"64 MiB", false, {64}, "mib=16 scan=1 stride=16 report=50 zero=10"},
    {"200 MiB, sparse", false, {200},
     "mib=150 sparse=8 scan=1 stride=64 report=50"},
    {"two nodes", false, {48, 80}, "mib=24 scan=1 stride=64 report=50 zero=5"},
    {"three nodes of odd sizes", false, {63, 37, 41},
     "mib=20 scan=1 stride=32 report=50 zero=30"},
    {"96 MiB, hot", false, {96},
     "mib=24 hot=4 write=50 scan=4 stride=16 report=50"},
    {"KVM", true, {128},
     "mib=8 scan=1 stride=512 slow=2000 report=50 zero=10"},
};

typedef struct {
    unsigned first, wanted, seed;
    bool is_long;
    char *directory, *psk;
    CampaignJudge *judge;
    VmPair *pair;
    unsigned migrations;
    CampaignOutcome sum;
    double slowest;
} Campaign;

static unsigned
number_from(const char *name, unsigned otherwise)
{
    const char *text = g_getenv(name);
    return text ? (unsigned)g_ascii_strtoull(text, NULL, 10) : otherwise;
}

static void
start_guest(Campaign *campaign, unsigned which)
{
    VmQemuOptions options = {.kvm = guests[which].kvm,
                             .append = guests[which].append};
    for (int i = 0; i < 3 && guests[which].mib[i]; i++) {
        options.memory[i] =
            (VmMemory){.kind = VM_MEMORY_FILE, .mib = guests[which].mib[i]};
    }
    vm_pair_free(g_steal_pointer(&campaign->pair));
    g_autofree char *why = vm_qemu_why_not(VM_QEMU_HOST, options.kvm);
    if (why) {
        printf("# %s\n", why);
        start_guest(campaign, 0);
        return;
    }
    printf("# a guest: %s\n", guests[which].name);
    campaign->pair = vm_expect_pair_of(&options, &options);
}

static void
next_guest(Campaign *campaign, unsigned number)
{
    g_autoptr(GError) error = NULL;
    if (!campaign->pair || number % HOPS == 0) {
        start_guest(campaign, number / HOPS % G_N_ELEMENTS(guests));
        return;
    }
    vm_pair_turn(campaign->pair, &error);
    g_assert_no_error(error);
}

static void
add(Campaign *campaign, const CampaignOutcome *outcome)
{
    campaign->migrations++;
    campaign->sum.faults += outcome->faults;
    campaign->sum.resumed += outcome->resumed;
    campaign->slowest = MAX(campaign->slowest, outcome->seconds);
    for (unsigned i = 0; i < CAMPAIGN_KINDS; i++) {
        campaign->sum.done[i] += outcome->done[i];
    }
}

static void
move_once(Campaign *campaign, unsigned number)
{
    g_autoptr(GError) error = NULL;
    CampaignScript script;
    CampaignOutcome outcome;
    campaign_script_draw(&script, campaign->seed, number);
    g_autofree char *text = campaign_script_to_text(&script);
    next_guest(campaign, number);
    if (campaign_move(campaign->pair, &script, campaign->seed + number,
                      campaign->psk, &outcome, &error)) {
        campaign_judge_check(campaign->judge, campaign->pair, &outcome,
                             &error);
    }
    if (error) {
        g_error("migration %u of seed %u: %s\n%s", number, campaign->seed,
                text, error->message);
    }
    add(campaign, &outcome);
    printf("# %u: %.1f s, %u faults of: %s\n", number, outcome.seconds,
           outcome.faults, text);
    fflush(stdout);
}

static void
tell(const Campaign *campaign)
{
    printf("# seed %u: %u migrations, %u faults, %u helpers resumed, slowest "
           "%.1f s\n#  ", campaign->seed, campaign->migrations,
           campaign->sum.faults, campaign->sum.resumed, campaign->slowest);
    for (unsigned i = 0; i < CAMPAIGN_KINDS; i++) {
        printf(" %s %u", campaign_kind_name(i), campaign->sum.done[i]);
    }
    printf("\n");
}

static void
make_key(Campaign *campaign)
{
    g_autoptr(GError) error = NULL;
    campaign->directory = vm_child_make_directory("postlude-key", &error);
    g_assert_no_error(error);
    campaign->psk = g_build_filename(campaign->directory, "keys", NULL);
    g_file_set_contents_full(campaign->psk,
                             "qemu:00112233445566778899aabbccddeeff\n", -1,
                             G_FILE_SET_CONTENTS_NONE, 0600, &error);
    g_assert_no_error(error);
}

static void
test_campaign(void)
{
    uint64_t end = fd_deadline_ns(SHORT_SECONDS * 1000);
    Campaign campaign = {
        .first = number_from("POSTLUDE_CAMPAIGN_FIRST", 0),
        .wanted = number_from("POSTLUDE_CAMPAIGN", 0),
    };
    campaign.is_long = campaign.wanted > 0;
    campaign.seed =
        number_from("POSTLUDE_CAMPAIGN_SEED",
                    campaign.is_long ? g_random_int() % 1000000 : 1);
    if (vm_qemu_skip(vm_qemu_why_not(VM_QEMU_HOST, false))) {
        return;
    }
    campaign.wanted = campaign.is_long ? campaign.wanted : SHORT_MIGRATIONS;
    printf("# POSTLUDE_CAMPAIGN_SEED=%u\n", campaign.seed);
    make_key(&campaign);
    campaign.judge = campaign_judge_new();
    for (unsigned i = 0; i < campaign.wanted; i++) {
        /* The short one is for its time, on a slow machine as well. */
        if (!campaign.is_long && i > 0 && fd_now_ns() > end) {
            break;
        }
        move_once(&campaign, campaign.first + i);
    }
    tell(&campaign);
    vm_pair_free(campaign.pair);
    campaign_judge_free(campaign.judge);
    vm_child_remove_directory(campaign.directory);
    g_free(campaign.directory);
    g_free(campaign.psk);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_setenv("POSTLUDE_DEBUG", "1", true);
    g_test_add_func("/campaign", test_campaign);
    return g_test_run();
}
