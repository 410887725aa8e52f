/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Options of virsh's that are refused: see libvirt-virsh.h.
 */
#include "libvirt/libvirt-virsh.h"

#include <stdbool.h>
#include <string.h>

typedef struct {
    const char *name;
    const char *why;
} Refusal;

#define POSTCOPY                                                              \
    "leave it out: all of the guest's memory moves by postcopy anyway, "      \
    "Postlude's and not QEMU's"
#define ONCE                                                                  \
    "leave it out: each page is sent once, while the guest runs on the "      \
    "destination, so the move ends however much the guest writes"
#define COMPRESSION                                                           \
    "leave it out: Postlude does not compress memory; pages of zeros are not " \
    "sent at all"
#define STREAMS                                                               \
    "memory goes over several connections anyway; --streams N says how many"
#define TIMEOUT                                                               \
    "nothing but giving up happens at the end of --timeout: the guest stays " \
    "on the source and runs"

/* All of virsh 9 to 11 that 'postlude migrate' does not have. */
static const Refusal refusals[] = {
    {"auto-converge", ONCE},
    {"auto-converge-increment", ONCE},
    {"auto-converge-initial", ONCE},
    {"available-switchover-bandwidth", ONCE},
    {"comp-methods", COMPRESSION},
    {"comp-mt-dthreads", COMPRESSION},
    {"comp-mt-level", COMPRESSION},
    {"comp-mt-threads", COMPRESSION},
    {"comp-xbzrle-cache", COMPRESSION},
    {"comp-zlib-level", COMPRESSION},
    {"comp-zstd-level", COMPRESSION},
    {"compressed", COMPRESSION},
    {"copy-storage-synchronous-write",
     "it is --copy-storage-synchronous-writes"},
    {"direct", "QEMU has no such migration: DESTURI is libvirt there, or with "
               "--p2p what libvirt here reaches it by"},
    {"migrate-disks-detect-zeroes", "set it in the domain's definition"},
    {"offline", "the domain has to run; 'virsh migrate --offline --persistent' "
                "copies the definition of one that does not"},
    {"parallel", STREAMS},
    {"parallel-connections", STREAMS},
    {"postcopy", POSTCOPY},
    {"postcopy-after-precopy", POSTCOPY},
    {"postcopy-bandwidth", "Postlude sends memory as fast as it can; "
                           "--bandwidth limits libvirt's own part"},
    {"postcopy-resume", "what was interrupted is taken over by 'postlude send "
                        "--resume' here and 'postlude receive --resume' there"},
    {"rdma-pin-all", "Postlude's connections are TCP"},
    {"suspend", "leave it out, and 'virsh suspend' the guest when it has "
                "arrived"},
    {"timeout-postcopy", TIMEOUT},
    {"timeout-suspend", TIMEOUT},
    {"tunnelled", "memory goes over connections of its own; --tls encrypts "
                  "them"},
    {"zerocopy", "leave it out: Postlude's connections have no such"},
};

const char *
libvirt_virsh_refusal(const char *name)
{
    name += strspn(name, "-");
    for (unsigned i = 0; i < G_N_ELEMENTS(refusals); i++) {
        if (strcmp(refusals[i].name, name) == 0) {
            return refusals[i].why;
        }
    }
    return NULL;
}

static gboolean
virsh_refuse(const char *option, const char *value, gpointer data,
             GError **error)
{
    g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED,
                "%s of virsh: %s", option, libvirt_virsh_refusal(option));
    return false;
}

static gboolean
virsh_accept(const char *option, const char *value, gpointer data,
             GError **error)
{
    return true;
}

void
libvirt_virsh_add(GArray *entries)
{
    const GOptionEntry live = {"live",
                               0,
                               G_OPTION_FLAG_NO_ARG,
                               G_OPTION_ARG_CALLBACK,
                               (gpointer)virsh_accept,
                               "As always: the guest runs on meanwhile",
                               NULL};
    g_array_append_val(entries, live);
    for (unsigned i = 0; i < G_N_ELEMENTS(refusals); i++) {
        const GOptionEntry entry = {refusals[i].name,
                                    0,
                                    G_OPTION_FLAG_HIDDEN |
                                        G_OPTION_FLAG_OPTIONAL_ARG,
                                    G_OPTION_ARG_CALLBACK,
                                    (gpointer)virsh_refuse,
                                    NULL,
                                    NULL};
        g_array_append_val(entries, entry);
    }
}
