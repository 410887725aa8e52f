/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * postlude migrate: one command moves a domain of libvirt. Part of the program
 * postlude-libvirt, which 'postlude migrate' runs (cli-libvirt.h).
 */
#include <stdio.h>

#include "base/log.h"
#include "cli/cli-libvirt.h"
#include "cli/cli.h"
#include "libvirt/libvirt-advice.h"
#include "libvirt/libvirt-move.h"
#include "libvirt/libvirt-virsh.h"
#include "migrate/story/migrate-stages.h"

#define PEER_TIMEOUT_S 600 /* to create disks over there takes its time */
#define SUMMARY                                                               \
    "Moves a running domain to another host: libvirt moves its devices, "     \
    "Postlude its memory.\nRuns on the source host, as root; the destination " \
    "needs Postlude's hook and nothing\ntyped."

typedef struct {
    LibvirtOptions move;
    gboolean prepare;
    char **words; /* DOMAIN and DESTURI, */
    char *domain, *dest_uri; /* unless they were given as virsh has them too */
} Options;

static void
options_clear(Options *options)
{
    libvirt_options_clear(&options->move);
    g_clear_pointer(&options->words, g_strfreev);
    g_clear_pointer(&options->domain, g_free);
    g_clear_pointer(&options->dest_uri, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Options, options_clear)

static void
add_ours(GArray *all, Options *options)
{
    LibvirtOptions *o = &options->move;
    const GOptionEntry entries[] = {
        {"connect", 'c', 0, G_OPTION_ARG_STRING, &o->connect_uri,
         "libvirt on this host (default qemu:///system)", "URI"},
        {"prepare", 0, 0, G_OPTION_ARG_NONE, &options->prepare,
         "Only put into the domain's definition what it lacks", NULL},
        {"listen", 0, 0, G_OPTION_ARG_STRING, &o->listen,
         "Where the destination reaches this host", "HOST[:PORT]"},
        {"streams", 0, 0, G_OPTION_ARG_INT, &o->streams,
         "Bulk connections (default: from the cores)", "N"},
        {"peer-timeout", 0, 0, G_OPTION_ARG_INT, &o->peer_timeout_s,
         "How long to wait for the destination (default 600)", "SECONDS"},
        {"timeout", 0, 0, G_OPTION_ARG_INT, &o->timeout_s,
         "Give up if the guest has not gone over by then", "SECONDS"},
        {"insecure", 0, 0, G_OPTION_ARG_NONE, &o->insecure,
         "Send memory unencrypted, also to other hosts", NULL},
        {"tls", 0, 0, G_OPTION_ARG_NONE, &o->tls,
         "Memory and device state over TLS", NULL},
        {"tls-creds", 0, 0, G_OPTION_ARG_FILENAME, &o->tls_creds,
         "This host's certificates (default /etc/pki/qemu)", "DIR"},
        {"tls-peer", 0, 0, G_OPTION_ARG_STRING, &o->tls_peer,
         "Only this destination: the name in its certificate", "NAME"},
        {"json", 0, 0, G_OPTION_ARG_NONE, &o->json, "Report as JSON", NULL},
        {"domain", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING,
         &options->domain, NULL, NULL},
        {"desturi", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING,
         &options->dest_uri, NULL, NULL},
        {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &options->words,
         NULL, NULL},
    };
    g_array_append_vals(all, entries, G_N_ELEMENTS(entries));
}

static bool
take_words(Options *options)
{
    LibvirtOptions *o = &options->move;
    char **word = options->words;
    char **const wanted[] = {&options->domain, &options->dest_uri};
    for (unsigned i = 0; i < (options->prepare ? 1 : 2); i++) {
        if (!*wanted[i] && word && *word) {
            *wanted[i] = g_strdup(*word++);
        }
    }
    o->domain = g_steal_pointer(&options->domain);
    o->dest_uri = g_steal_pointer(&options->dest_uri);
    bool too_many = word && *word;
    return o->domain && !too_many &&
           (options->prepare ? !o->dest_uri : o->dest_uri != NULL);
}

static const char *
migrate_take(Options *options)
{
    LibvirtOptions *o = &options->move;
    if (!take_words(options)) {
        return options->prepare ? "--prepare takes one DOMAIN"
                                : "it takes DOMAIN and DESTURI";
    }
    if (o->persistent_xml_file && !o->persistent) {
        return "--persistent-xml goes with --persistent only";
    }
    if (!o->tls && (o->tls_creds || o->tls_peer)) {
        return "--tls-creds and --tls-peer go with --tls only";
    }
    if (o->insecure && o->tls) {
        return "--insecure and --tls exclude each other";
    }
    if (o->streams < 0 || o->streams > WIRE_MAX_STREAMS) {
        return "--streams takes a number from 1 to 64";
    }
    if (o->peer_timeout_s < 1 || o->peer_timeout_s > 86400) {
        return "--peer-timeout takes 1 to 86400 seconds";
    }
    return o->timeout_s < 0 || o->bandwidth_mib < 0 || o->disks_port < 0
               ? "--timeout, --bandwidth and --disks-port take numbers from 0"
               : NULL;
}

static int
cmd_prepare(const LibvirtOptions *o)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) why = NULL;
    if (!libvirt_advice_prepare(o->connect_uri, o->domain, &text, &why)) {
        return cli_fail("migrate", why->message, MIGRATE_EXIT_FAILED);
    }
    if (!log_is_quiet()) {
        cli_print(text);
        cli_print("\n");
    }
    return MIGRATE_EXIT_DONE;
}

static int
migrate_run(const Options *options)
{
    if (options->prepare) {
        return cmd_prepare(&options->move);
    }
    g_autoptr(GError) why = NULL;
    int status = libvirt_move(&options->move, &why);
    return status == MIGRATE_EXIT_DONE
               ? status
               : cli_fail("migrate", why->message, status);
}

int
cmd_migrate(int argc, char **argv)
{
    g_auto(Options) options = {.move.peer_timeout_s = PEER_TIMEOUT_S};
    g_autoptr(GArray) all = g_array_new(true, true, sizeof(GOptionEntry));
    add_ours(all, &options);
    libvirt_options_add(&options.move, all);
    libvirt_virsh_add(all);
    int status;
    if (!cli_parse(argc, argv, "DOMAIN DESTURI | --prepare DOMAIN", SUMMARY,
                   (const GOptionEntry *)(void *)all->data, &status)) {
        return status;
    }
    const char *wrong = migrate_take(&options);
    if (wrong) {
        return cli_fail("migrate", wrong, MIGRATE_EXIT_USAGE);
    }
    options.move.program = cli_libvirt_postlude();
    return migrate_run(&options);
}
