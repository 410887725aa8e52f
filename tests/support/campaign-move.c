/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A migration under fire: see campaign-move.h.
 */
#include "tests/support/campaign-move.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/fd.h"
#include "tests/support/vm-proxy.h"

#define START_MS 60000
#define LINK_TIMEOUT "1"
/* Whoever has heard the last word may be gone when it was not heard that it
 * did: then the other looks for it for so long. */
#define PEER_TIMEOUT "15"
/* After each fault: noticing it, the longest pause between two calls, asking
 * again for what was under way. */
#define RECOVER_MS 5000
/* For the rest: the transfer itself, PEER_TIMEOUT, and a busy machine. */
#define MARGIN_MS 40000

typedef enum { SENDER, RECEIVER, HELPERS } Who;

typedef struct {
    const char *verb;
    VmQemu *vm;
    VmTool *tool;   /* the one at work, or the last one */
    GString *said;  /* of those that were killed */
    bool dead;      /* killed, and nobody has taken over */
} Helper;

typedef struct {
    VmPair *pair;
    const CampaignScript *script;
    const char *psk;
    CampaignOutcome *outcome;
    VmProxy *proxy;
    Helper helpers[HELPERS];
    uint64_t allowed_ms;
} Move;

static void
move_clear(Move *move)
{
    for (unsigned i = 0; i < HELPERS; i++) {
        vm_tool_free(move->helpers[i].tool);
        g_string_free(move->helpers[i].said, TRUE);
    }
    vm_proxy_free(move->proxy);
}

static bool
order(Move *move, const char *text, unsigned *met, GError **error)
{
    return vm_proxy_order(move->proxy, text, met, error);
}

/* Fair weather again, but for what keeps the migration from ending too soon. */
static bool
calm(Move *move, GError **error)
{
    g_autofree char *rate =
        g_strdup_printf("throttle bulk to-destination %u",
                        move->script->bulk_bytes_per_s);
    return order(move, "heal", NULL, error) && order(move, rate, NULL, error);
}

static void
note_helper(Move *move, const Helper *helper)
{
    if (helper->tool) {
        move->outcome->helpers[move->outcome->n_helpers++] =
            vm_child_pid(vm_tool_child(helper->tool));
    }
}

static bool
begin(Move *move, unsigned seed, GError **error)
{
    g_autofree char *streams = g_strdup_printf("%u", move->script->streams);
    const char *extra[] = {"--streams", streams, "--link-timeout",
                           LINK_TIMEOUT, "--peer-timeout", PEER_TIMEOUT,
                           move->script->tls ? "--tls-psk" : NULL, move->psk,
                           NULL};
    Helper *send = &move->helpers[SENDER], *receive = &move->helpers[RECEIVER];
    if (!(move->proxy = vm_proxy_start_before(move->pair->port, seed,
                                              error)) ||
        !calm(move, error)) {
        return false;
    }
    send->tool = vm_pair_send(move->pair, extra, error);
    receive->tool = send->tool ? vm_pair_receive_from(
                                     move->pair,
                                     vm_proxy_address(move->proxy), extra,
                                     error)
                               : NULL;
    note_helper(move, send);
    note_helper(move, receive);
    return receive->tool &&
           vm_tool_wait_stderr(receive->tool, "stage postcopy", START_MS,
                               error) &&
           vm_tool_wait_stderr(send->tool, "stage postcopy", START_MS, error);
}

static bool
has_ended(const Helper *helper)
{
    return !helper->dead &&
           vm_child_has_ended(vm_tool_child(helper->tool), NULL);
}

static bool
all_ended(const Move *move)
{
    return has_ended(&move->helpers[SENDER]) &&
           has_ended(&move->helpers[RECEIVER]);
}

/* False if it had ended by itself before. */
static bool
kill_helper(Helper *helper)
{
    int status = 0;
    VmChild *child = vm_tool_child(helper->tool);
    if (helper->dead || has_ended(helper)) {
        return false;
    }
    vm_child_kill(child, SIGKILL);
    vm_child_wait(child, START_MS, &status);
    helper->dead = !WIFEXITED(status);
    return helper->dead;
}

static bool
resume(Move *move, Helper *helper, GError **error)
{
    const char *args[] = {"--resume", "--qmp", vm_qemu_tool_socket(helper->vm),
                          "--link-timeout", LINK_TIMEOUT, "--peer-timeout",
                          PEER_TIMEOUT, NULL};
    if (!helper->dead) {
        return true;
    }
    g_autofree char *said = vm_tool_stderr(helper->tool);
    g_string_append_printf(helper->said, "%s(killed)\n", said);
    vm_tool_free(g_steal_pointer(&helper->tool));
    helper->tool = vm_tool_start(helper->verb, args, true, error);
    note_helper(move, helper);
    helper->dead = false;
    move->outcome->resumed++;
    return helper->tool != NULL;
}

static bool
kill_and_resume(Move *move, const CampaignFault *fault, bool *met,
                GError **error)
{
    Helper *send = &move->helpers[SENDER], *receive = &move->helpers[RECEIVER];
    *met = false;
    if (fault->kind != CAMPAIGN_KILL_SENDER) {
        *met |= kill_helper(receive);
    }
    if (fault->kind != CAMPAIGN_KILL_RECEIVER) {
        *met |= kill_helper(send);
    }
    g_usleep(fault->lasts_ms * 1000);
    return resume(move, fault->sender_first ? send : receive, error) &&
           resume(move, fault->sender_first ? receive : send, error);
}

static bool
freeze(Move *move, const CampaignFault *fault)
{
    Helper *helper = &move->helpers[fault->kind == CAMPAIGN_FREEZE_SENDER
                                        ? SENDER : RECEIVER];
    if (has_ended(helper)) {
        return false;
    }
    vm_child_kill(vm_tool_child(helper->tool), SIGSTOP);
    g_usleep(fault->lasts_ms * 1000);
    vm_child_kill(vm_tool_child(helper->tool), SIGCONT);
    return true;
}

/* As libvirt does: without a word to the sender. */
static bool
end_source(Move *move)
{
    if (move->outcome->source_ended) {
        return false;
    }
    VmChild *child = vm_qemu_child(move->pair->source);
    vm_child_kill(child, SIGKILL);
    vm_child_wait(child, START_MS, NULL);
    move->outcome->source_ended = true;
    return true;
}

static bool
do_to_network(Move *move, const CampaignFault *fault, bool *met,
              GError **error)
{
    unsigned n = 0;
    if (!order(move, fault->order, &n, error)) {
        return false;
    }
    *met = n > 0;
    if (fault->kind == CAMPAIGN_REFUSE || fault->kind == CAMPAIGN_DEAF) {
        *met = true;
        return order(move, "cut rst all", NULL, error);
    }
    if (fault->kind == CAMPAIGN_DELAY) {
        *met = true;
        g_usleep(fault->lasts_ms * 1000);
        return calm(move, error);
    }
    return true;
}

static bool
inject(Move *move, const CampaignFault *fault, bool *met, GError **error)
{
    switch (fault->kind) {
    case CAMPAIGN_KILL_RECEIVER:
    case CAMPAIGN_KILL_SENDER:
    case CAMPAIGN_KILL_BOTH:
        return kill_and_resume(move, fault, met, error);
    case CAMPAIGN_FREEZE_RECEIVER:
    case CAMPAIGN_FREEZE_SENDER:
        *met = freeze(move, fault);
        return true;
    case CAMPAIGN_END_SOURCE:
        *met = end_source(move);
        return true;
    default:
        return do_to_network(move, fault, met, error);
    }
}

static bool
do_all(Move *move, GError **error)
{
    for (unsigned i = 0; i < move->script->n_faults; i++) {
        const CampaignFault *fault = &move->script->faults[i];
        bool met = false;
        g_usleep(fault->after_ms * 1000);
        if (all_ended(move)) {
            return true;
        }
        if (!inject(move, fault, &met, error)) {
            return false;
        }
        move->outcome->done[fault->kind] += met;
        move->outcome->faults += met;
        move->allowed_ms += fault->lasts_ms + RECOVER_MS;
    }
    return calm(move, error);
}

/* It was killed when all was done but the exit: nothing was left to do. */
static bool
had_nothing_to_do(const Helper *helper, int code, const char *said)
{
    return code == 1 && strstr(said, "there is no interrupted") &&
           strstr(helper->said->str, "stage settle");
}

static bool
expect_end(Move *move, Who who, uint64_t deadline, GError **error)
{
    Helper *helper = &move->helpers[who];
    uint64_t now = fd_now_ns();
    int left_ms = now < deadline ? (int)((deadline - now) / 1000000) : 0;
    int code = -1;
    if (!vm_tool_wait(helper->tool, left_ms, &code, error)) {
        return false;
    }
    g_autofree char *said = vm_tool_stderr(helper->tool);
    return code == 0 || had_nothing_to_do(helper, code, said) ||
           error_set(error, ERROR_FAILED, "postlude %s ended with %d",
                     helper->verb, code);
}

/* What a fault of the code looked like. */
static void
tell_all(const Move *move, GError **error)
{
    for (unsigned i = 0; i < HELPERS; i++) {
        const Helper *helper = &move->helpers[i];
        g_autofree char *said = helper->tool ? vm_tool_stderr(helper->tool)
                                             : g_strdup("");
        g_autofree char *both = g_strdup((*error)->message);
        g_clear_error(error);
        error_set(error, ERROR_FAILED, "%s\n--- %s:\n%s%s", both, helper->verb,
                  helper->said->str, said);
    }
}

static bool
run(Move *move, unsigned seed, GError **error)
{
    if (!begin(move, seed, error)) {
        return false;
    }
    uint64_t before = fd_now_ns();
    if (!do_all(move, error)) {
        return false;
    }
    uint64_t deadline = fd_deadline_ns((int)move->allowed_ms);
    bool ok = expect_end(move, RECEIVER, deadline, error) &&
              expect_end(move, SENDER, deadline, error);
    move->outcome->seconds = (double)(fd_now_ns() - before) / 1e9;
    return ok;
}

bool
campaign_move(VmPair *pair, const CampaignScript *script, unsigned seed,
              const char *psk, CampaignOutcome *outcome, GError **error)
{
    g_autoptr(GError) why = NULL;
    *outcome = (CampaignOutcome){0};
    Move move = {
        .pair = pair,
        .script = script,
        .psk = psk,
        .outcome = outcome,
        .helpers = {[SENDER] = {"send", pair->source, NULL,
                                g_string_new(NULL), false},
                    [RECEIVER] = {"receive", pair->destination, NULL,
                                  g_string_new(NULL), false}},
        .allowed_ms = MARGIN_MS,
    };
    bool ok = run(&move, seed, &why);
    if (!ok) {
        tell_all(&move, &why);
        g_propagate_error(error, g_steal_pointer(&why));
    }
    move_clear(&move);
    return ok;
}
