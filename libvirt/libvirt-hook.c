/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * From a domain's XML to a command: see libvirt-hook.h.
 */
#include "libvirt/libvirt-hook.h"

#include <string.h>

#include "base/error.h"
#include "libvirt/libvirt-prepare.h"
#include "libvirt/libvirt-scope.h"

/* The sender listens before the destination's QEMU is started: it is there, or
 * it will not come. libvirt blocks meanwhile. */
#define PEER_TIMEOUT_S "20"

void
libvirt_hook_conf_clear(LibvirtHookConf *conf)
{
    g_clear_pointer(&conf->tls_creds, g_free);
}

void
libvirt_hook_plan_clear(LibvirtHookPlan *plan)
{
    g_clear_pointer(&plan->name, g_free);
    g_clear_pointer(&plan->monitor, g_free);
    g_clear_pointer(&plan->remark, g_free);
    libvirt_metadata_clear(&plan->metadata);
}

static bool
parse_yes(const char *text, bool *yes)
{
    *yes = g_ascii_strcasecmp(text, "yes") == 0 ||
           g_ascii_strcasecmp(text, "true") == 0;
    return *yes || g_ascii_strcasecmp(text, "no") == 0 ||
           g_ascii_strcasecmp(text, "false") == 0;
}

bool
libvirt_hook_conf_parse(const char *text, LibvirtHookConf *conf,
                        GError **error)
{
    *conf = (LibvirtHookConf){0};
    g_autoptr(GKeyFile) file = g_key_file_new();
    g_autoptr(GError) why = NULL;
    if (text && !g_key_file_load_from_data(file, text, strlen(text),
                                           G_KEY_FILE_NONE, &why)) {
        return error_set(error, ERROR_USAGE, "%s", why->message);
    }
    g_autofree char *yes = g_key_file_get_string(
        file, "libvirt", "collapse-after-migration", NULL);
    if (yes && !parse_yes(g_strstrip(yes), &conf->collapse_after_migration)) {
        return error_set(error, ERROR_USAGE,
                         "[libvirt] collapse-after-migration=%s is neither "
                         "yes nor no",
                         yes);
    }
    conf->tls_creds =
        g_key_file_get_string(file, "libvirt", "tls-creds", NULL);
    if (conf->tls_creds && !g_path_is_absolute(conf->tls_creds)) {
        error_set(error, ERROR_USAGE,
                  "[libvirt] tls-creds=%s is not an absolute path",
                  conf->tls_creds);
        libvirt_hook_conf_clear(conf);
        return false;
    }
    return true;
}

static bool
plan_receive(const char *xml, LibvirtHookPlan *plan, GError **error)
{
    g_auto(LibvirtPrepare) domain = {0};
    if (!libvirt_prepare_look(xml, &domain, error)) {
        return false;
    }
    if (!domain.monitor) {
        return error_set(error, ERROR_UNSUPPORTED,
                         "the domain has no monitor of its own in "
                         "<qemu:commandline>; 'postlude check --domain' says "
                         "what is missing");
    }
    plan->monitor = g_strdup(domain.monitor);
    plan->action = LIBVIRT_HOOK_RECEIVE;
    return true;
}

/* The name of our namespace stands in every XML that asks for anything: looking
 * for it costs microseconds, parsing does not. */
static bool
hook_look(const char *xml, LibvirtMetadata *metadata, GError **error)
{
    return !strstr(xml, LIBVIRT_METADATA_URI) ||
           libvirt_metadata_decode(xml, metadata, error);
}

/* A domain must start whatever a migration, or another version, left in it. */
static char *
remark_at_boot(const LibvirtMetadata *metadata, const GError *why)
{
    if (why) {
        return g_strdup_printf("%s; it is started all the same, because a "
                               "guest that boots needs nothing of it",
                               why->message);
    }
    return metadata->address
               ? g_strdup("the domain's metadata still tells of a migration, "
                          "and it was not started for one")
               : NULL;
}

bool
libvirt_hook_plan(const char *name, const char *xml, LibvirtHookStart start,
                  const LibvirtHookConf *conf, LibvirtHookPlan *plan,
                  GError **error)
{
    *plan = (LibvirtHookPlan){.name = g_strdup(name)};
    g_autoptr(GError) why = NULL;
    bool understood = hook_look(xml, &plan->metadata, &why);
    if (start == LIBVIRT_HOOK_BOOT) {
        plan->remark = remark_at_boot(&plan->metadata, why);
        return true;
    }
    if (!understood) {
        g_propagate_error(error, g_steal_pointer(&why));
        return false;
    }
    if (plan->metadata.address) {
        return start == LIBVIRT_HOOK_DOUBT
                   ? error_set(error, ERROR_STATE,
                               "its memory is to be received, and whether its "
                               "QEMU waits for it cannot be told")
                   : plan_receive(xml, plan, error);
    }
    if (start == LIBVIRT_HOOK_INCOMING &&
        (plan->metadata.collapse_after_migration ||
         conf->collapse_after_migration)) {
        plan->action = LIBVIRT_HOOK_COLLAPSE;
    }
    return true;
}

char *
libvirt_hook_remedy(const char *name)
{
    return g_strdup_printf(
        "if no 'postlude migrate' is moving it now, what its metadata says is "
        "left over from one that was cut short: \"virsh metadata '%s' "
        LIBVIRT_METADATA_URI " --remove --live\" on the host where it runs "
        "takes it out, and the same with --config out of its definition",
        name);
}

char *
libvirt_hook_restored(const char *xml, GError **error)
{
    g_auto(LibvirtMetadata) metadata = {0};
    return hook_look(xml, &metadata, error) && metadata.address
               ? libvirt_metadata_strip(xml, error)
               : NULL;
}

static void
hook_add(GPtrArray *command, const char *word)
{
    g_ptr_array_add(command, g_strdup(word));
}

/* A scope takes the process that is to wait, with its exit status and its
 * stderr; a service is started and left alone. Either way it has a cgroup of
 * its own, and a restart of libvirtd does not touch it. */
static void
add_systemd(GPtrArray *command, const LibvirtHookPlan *plan, pid_t qemu)
{
    bool receive = plan->action == LIBVIRT_HOOK_RECEIVE;
    g_autofree char *unit = g_strdup_printf(
        "postlude-%s-%d", receive ? "receive" : "collapse", (int)qemu);
    g_autofree char *what =
        g_strdup_printf("Postlude: memory of domain %s", plan->name);
    if (receive) {
        libvirt_scope_add(command, unit, what);
    } else {
        libvirt_scope_add_service(command, unit, what);
    }
}

static void
add_receive(GPtrArray *command, const LibvirtHookPlan *plan,
            const LibvirtHookConf *conf, const LibvirtHookHost *host)
{
    const char *words[] = {"receive", "--follow", "--detach",
                           "--qmp", plan->monitor,
                           "--connect", plan->metadata.address,
                           "--token-file", host->token_path,
                           "--peer-timeout", PEER_TIMEOUT_S};
    for (unsigned i = 0; i < G_N_ELEMENTS(words); i++) {
        hook_add(command, words[i]);
    }
    if (plan->metadata.insecure) {
        hook_add(command, "--insecure");
    }
    if (plan->metadata.tls) {
        hook_add(command, "--tls");
    }
    if (plan->metadata.tls_hostname) {
        hook_add(command, "--tls-hostname");
        hook_add(command, plan->metadata.tls_hostname);
    }
    if (plan->metadata.tls && conf->tls_creds) {
        hook_add(command, "--tls-creds");
        hook_add(command, conf->tls_creds);
    }
}

static void
add_collapse(GPtrArray *command, const LibvirtHookPlan *plan,
             const LibvirtHookHost *host)
{
    hook_add(command, "collapse");
    hook_add(command, "--after-migration");
    if (!host->systemd) {
        hook_add(command, "--detach");
    }
    hook_add(command, "--domain");
    hook_add(command, plan->name);
}

char **
libvirt_hook_command(const LibvirtHookPlan *plan, const LibvirtHookConf *conf,
                     const LibvirtHookHost *host)
{
    GPtrArray *command = g_ptr_array_new();
    if (host->systemd) {
        add_systemd(command, plan, host->qemu);
    }
    hook_add(command, host->program);
    if (plan->action == LIBVIRT_HOOK_RECEIVE) {
        add_receive(command, plan, conf, host);
    } else {
        add_collapse(command, plan, host);
    }
    g_ptr_array_add(command, NULL);
    return (char **)g_ptr_array_free(command, FALSE);
}
