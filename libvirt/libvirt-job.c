/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * virDomainMigrate3() and virDomainMigrateToURI3(): see libvirt-job.h.
 */
#include "libvirt/libvirt-job.h"

#include <string.h>

#include "base/thread.h"
#include "libvirt/libvirt-params.h"

struct LibvirtJob {
    virDomainPtr domain;
    virConnectPtr destination;
    char *dest_uri; /* with p2p, else NULL */
    LibvirtParams params;
    void (*on_end)(gpointer data);
    gpointer data;
    GThread *thread;
    guint idle;
    bool ended; /* main thread */
    char *failure;
};

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
job_run(gpointer data)
{
    LibvirtJob *job = data;
    bool ok;
    if (job->dest_uri) {
        ok = virDomainMigrateToURI3(job->domain, job->dest_uri,
                                    job->params.list, (unsigned)job->params.n,
                                    job->params.flags) == 0;
    } else {
        g_autoptr(virDomain) there =
            virDomainMigrate3(job->domain, job->destination,
                              job->params.list, (unsigned)job->params.n,
                              job->params.flags);
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
    job->on_end = on_end;
    job->data = data;
    libvirt_params_fill(&job->params, options, dest_xml, persist_xml);
    g_autoptr(GError) why = NULL;
    job->thread = thread_start("migrate", job_run, job, &why);
    if (!job->thread) { /* it has failed before it began */
        job->failure = g_strdup(why->message);
        job->idle = g_idle_add_full(G_PRIORITY_DEFAULT, tell_end, job, NULL);
    }
    return job;
}

void
libvirt_job_free(LibvirtJob *job)
{
    if (!job) {
        return;
    }
    if (job->thread) {
        g_thread_join(job->thread);
    }
    if (!job->ended) {
        g_source_remove(job->idle);
    }
    libvirt_params_clear(&job->params);
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
