/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * virDomainMigrate3() and virDomainMigrateToURI3(): see libvirt-job.h.
 */
#include "libvirt/libvirt-job.h"

#include <string.h>

struct LibvirtJob {
    virDomainPtr domain;
    virConnectPtr destination;
    char *dest_uri; /* with p2p, else NULL */
    unsigned flags;
    virTypedParameterPtr params;
    int n_params, max_params;
    void (*on_end)(gpointer data);
    gpointer data;
    GThread *thread;
    guint idle;
    bool ended; /* main thread */
    char *failure;
};

/* Never VIR_MIGRATE_POSTCOPY: QEMU refuses its own together with RAM that it
 * does not send, and the memory follows by us. Nor VIR_MIGRATE_TUNNELLED: for it
 * libvirt switches QEMU's return path off, and then nobody could say that the
 * devices have arrived. */
static unsigned
flags_of(const LibvirtOptions *o)
{
    const struct {
        gboolean wanted;
        unsigned flag;
    } table[] = {
        {TRUE, VIR_MIGRATE_LIVE},
        {o->p2p, VIR_MIGRATE_PEER2PEER},
        {o->persistent, VIR_MIGRATE_PERSIST_DEST},
        {o->undefine_source, VIR_MIGRATE_UNDEFINE_SOURCE},
        {o->copy_storage_all, VIR_MIGRATE_NON_SHARED_DISK},
        {o->copy_storage_inc, VIR_MIGRATE_NON_SHARED_INC},
        {o->copy_storage_synchronous,
         VIR_MIGRATE_NON_SHARED_SYNCHRONOUS_WRITES},
        {o->change_protection, VIR_MIGRATE_CHANGE_PROTECTION},
        {o->unsafe, VIR_MIGRATE_UNSAFE},
        {o->abort_on_error, VIR_MIGRATE_ABORT_ON_ERROR},
        {o->tls, VIR_MIGRATE_TLS},
    };
    unsigned flags = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(table); i++) {
        flags |= table[i].wanted ? table[i].flag : 0;
    }
    return flags;
}

static void
add_text(LibvirtJob *job, const char *name, const char *value)
{
    if (value) {
        virTypedParamsAddString(&job->params, &job->n_params,
                                &job->max_params, name, value);
    }
}

static void
add_disks(LibvirtJob *job, const char *disks)
{
    g_auto(GStrv) names = g_strsplit(disks ? disks : "", ",", -1);
    for (char **name = names; *name; name++) {
        add_text(job, VIR_MIGRATE_PARAM_MIGRATE_DISKS, *name);
    }
}

static void
add_params(LibvirtJob *job, const LibvirtOptions *o, const char *dest_xml,
           const char *persist_xml)
{
    add_text(job, VIR_MIGRATE_PARAM_DEST_XML, dest_xml);
    add_text(job, VIR_MIGRATE_PARAM_PERSIST_XML, persist_xml);
    add_text(job, VIR_MIGRATE_PARAM_URI, o->migrate_uri);
    add_text(job, VIR_MIGRATE_PARAM_DEST_NAME, o->new_name);
    add_text(job, VIR_MIGRATE_PARAM_LISTEN_ADDRESS, o->listen_address);
    add_text(job, VIR_MIGRATE_PARAM_GRAPHICS_URI, o->graphics_uri);
    add_text(job, VIR_MIGRATE_PARAM_DISKS_URI, o->disks_uri);
    add_text(job, VIR_MIGRATE_PARAM_TLS_DESTINATION, o->tls_destination);
    add_disks(job, o->migrate_disks);
    if (o->disks_port > 0) {
        virTypedParamsAddInt(&job->params, &job->n_params, &job->max_params,
                             VIR_MIGRATE_PARAM_DISKS_PORT, o->disks_port);
    }
    if (o->bandwidth_mib > 0) {
        virTypedParamsAddULLong(&job->params, &job->n_params,
                                &job->max_params, VIR_MIGRATE_PARAM_BANDWIDTH,
                                (unsigned long long)o->bandwidth_mib);
    }
}

static gboolean
tell_end(gpointer data)
{
    LibvirtJob *job = data;
    job->ended = true;
    job->on_end(job->data);
    return G_SOURCE_REMOVE;
}

/* libvirt tells of a hook with its whole environment; what the hook said is at
 * the end. */
static char *
describe_failure(void)
{
    static const char sign[] = "unexpected exit status ";
    g_autofree char *all = libvirt_daemon_last_error();
    const char *end = strstr(all, sign);
    const char *said = end ? strchr(end, ':') : NULL;
    return said && strstr(all, "/hooks/")
               ? g_strdup_printf("the destination's hook refused it%s", said)
               : g_steal_pointer(&all);
}

static gpointer
run(gpointer data)
{
    LibvirtJob *job = data;
    bool ok;
    if (job->dest_uri) {
        ok = virDomainMigrateToURI3(job->domain, job->dest_uri, job->params,
                                    (unsigned)job->n_params,
                                    job->flags) == 0;
    } else {
        g_autoptr(virDomain) there =
            virDomainMigrate3(job->domain, job->destination, job->params,
                              (unsigned)job->n_params, job->flags);
        ok = there != NULL;
    }
    job->failure = ok ? NULL : describe_failure();
    job->idle = g_idle_add_full(G_PRIORITY_DEFAULT, tell_end, job, NULL);
    return NULL;
}

LibvirtJob *
libvirt_job_start(virDomainPtr domain, virConnectPtr destination,
                  const LibvirtOptions *options, const char *dest_xml,
                  const char *persist_xml, void (*on_end)(gpointer data),
                  gpointer data)
{
    LibvirtJob *job = g_new0(LibvirtJob, 1);
    job->domain = domain;
    job->destination = destination;
    job->dest_uri = options->p2p ? g_strdup(options->dest_uri) : NULL;
    job->flags = flags_of(options);
    job->on_end = on_end;
    job->data = data;
    add_params(job, options, dest_xml, persist_xml);
    job->thread = g_thread_new("migrate", run, job);
    return job;
}

void
libvirt_job_free(LibvirtJob *job)
{
    if (!job) {
        return;
    }
    g_thread_join(job->thread);
    if (!job->ended) {
        g_source_remove(job->idle);
    }
    virTypedParamsFree(job->params, job->n_params);
    g_free(job->dest_uri);
    g_free(job->failure);
    g_free(job);
}

bool
libvirt_job_has_ended(const LibvirtJob *job)
{
    return job->ended;
}

const char *
libvirt_job_failure(const LibvirtJob *job)
{
    return job->failure;
}

void
libvirt_job_abort(LibvirtJob *job)
{
    if (virDomainAbortJob(job->domain) < 0) {
        /* There may be none yet, or none any more. */
        g_autofree char *why = libvirt_daemon_last_error();
        g_debug("libvirt does not abort: %s", why);
    }
}

bool
libvirt_job_progress(const LibvirtJob *job, uint64_t *done_bytes,
                     uint64_t *total_bytes)
{
    virDomainJobInfo info = {0};
    if (virDomainGetJobInfo(job->domain, &info) < 0 ||
        info.type == VIR_DOMAIN_JOB_NONE || info.dataTotal == 0) {
        return false;
    }
    *done_bytes = info.dataProcessed;
    *total_bytes = info.dataTotal;
    return true;
}
