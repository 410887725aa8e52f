/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The judges of the campaign: see campaign-judge.h.
 */
#include "tests/support/campaign-judge.h"

#include <string.h>

#include "base/error.h"
#include "base/fd.h"

#define SCANS 2
#define SCAN_MS 120000
/* A keeper that was let go, a file that is just being removed. */
#define GONE_MS 5000

/* Others on this host may use the same: only what bears our name counts. */
static const char *const places[] = {"/run/postlude", "/dev/shm", NULL};

struct CampaignJudge {
    GHashTable *before; /* paths that were there */
};

static bool
is_ours(const char *place, const char *name)
{
    return strcmp(place, "/dev/shm") != 0 || strstr(name, "postlude");
}

/* Paths below our places that are not in KNOWN (NULL: all). */
static GPtrArray *
list_new(GHashTable *known)
{
    GPtrArray *found = g_ptr_array_new_with_free_func(g_free);
    for (const char *const *place = places; *place; place++) {
        g_autoptr(GDir) dir = g_dir_open(*place, 0, NULL);
        const char *name;
        while (dir && (name = g_dir_read_name(dir))) {
            g_autofree char *path = g_build_filename(*place, name, NULL);
            if (is_ours(*place, name) &&
                (!known || !g_hash_table_contains(known, path))) {
                g_ptr_array_add(found, g_steal_pointer(&path));
            }
        }
    }
    return found;
}

CampaignJudge *
campaign_judge_new(void)
{
    CampaignJudge *judge = g_new0(CampaignJudge, 1);
    g_autoptr(GPtrArray) all = list_new(NULL);
    judge->before = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                          NULL);
    for (guint i = 0; i < all->len; i++) {
        g_hash_table_add(judge->before,
                         g_strdup(g_ptr_array_index(all, i)));
    }
    vm_child_adopt_orphans();
    return judge;
}

void
campaign_judge_free(CampaignJudge *judge)
{
    if (judge) {
        g_hash_table_unref(judge->before);
        g_free(judge);
    }
}

static bool
bears(const char *path, pid_t pid)
{
    g_autofree char *socket = g_strdup_printf("-%d.", (int)pid);
    g_autofree char *archive = g_strdup_printf("-%d-", (int)pid);
    return strstr(path, socket) || strstr(path, archive);
}

/* A helper's files carry the number of its QEMU or its own: those of others
 * on this host come and go meanwhile. */
static bool
is_of_move(const char *path, const VmPair *pair,
           const CampaignOutcome *outcome)
{
    for (unsigned i = 0; i < outcome->n_helpers; i++) {
        if (bears(path, outcome->helpers[i])) {
            return true;
        }
    }
    return bears(path, vm_qemu_pid(pair->source)) ||
           bears(path, vm_qemu_pid(pair->destination));
}

static bool
check_host(const CampaignJudge *judge, const VmPair *pair,
           const CampaignOutcome *outcome, GError **error)
{
    uint64_t deadline = fd_deadline_ns(GONE_MS);
    for (;;) {
        g_autoptr(GPtrArray) left = list_new(judge->before);
        const char *file = NULL;
        for (guint i = 0; i < left->len; i++) {
            const char *path = g_ptr_array_index(left, i);
            file = is_of_move(path, pair, outcome) ? path : file;
        }
        unsigned orphans = vm_child_count_orphans();
        if (!file && orphans == 0) {
            return true;
        }
        if (fd_now_ns() > deadline) {
            return error_set(error, ERROR_STATE,
                             "left behind: %u processes, file %s", orphans,
                             file ? file : "none");
        }
        g_usleep(20000);
    }
}

static bool
check_source(VmPair *pair, GError **error)
{
    g_autoptr(GError) why = NULL;
    bool ok = vm_look_is_released(pair->source, error) &&
              vm_look_is_only_mapper(pair->source, error) &&
              vm_look_is_capability_off(pair->source, "x-ignore-shared",
                                        error);
    g_prefix_error(error, "source: ");
    /* And the guest does not run there as well. */
    return ok && vm_qemu_wait_state(pair->source, "postmigrate", GONE_MS,
                                    error);
}

static bool
check_destination(VmPair *pair, GError **error)
{
    bool ok = vm_qemu_wait_state(pair->destination, "running", GONE_MS,
                                 error) &&
              vm_look_is_released(pair->destination, error) &&
              vm_look_is_only_mapper(pair->destination, error) &&
              vm_look_is_capability_off(pair->destination, "x-ignore-shared",
                                        error);
    g_prefix_error(error, "destination: ");
    return ok;
}

bool
campaign_judge_check(const CampaignJudge *judge, VmPair *pair,
                     const CampaignOutcome *outcome, GError **error)
{
    return check_host(judge, pair, outcome, error) &&
           check_destination(pair, error) &&
           (outcome->source_ended || check_source(pair, error)) &&
           vm_pair_wait_scans(pair, SCANS, SCAN_MS, error);
}
