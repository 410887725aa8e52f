/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One domain on its way: see libvirt-move.h.
 *
 *   sender starts, listens        the guest runs on the source
 *   libvirt: Begin, Prepare       the destination's QEMU starts; its hook arms
 *                                 a receiver, which dials the sender
 *   libvirt: Perform              devices; the sender follows QEMU's events
 *   QEMU says completed           POINT OF NO RETURN, as the sender sees it
 *   libvirt: Finish               the guest runs on the destination
 *   we tidy the metadata          the sender sends the rest, and ends
 *
 * Two things end, in any order: libvirt's call and the sender. Before the point
 * of no return the end of one takes the other along; after it nobody is
 * stopped, and the sender's exit status is the truth about the memory. Where
 * that point was cannot be known of a sender that was killed: its successor
 * finds out (libvirt-sender), and until then nobody is stopped either.
 */
#include "libvirt/libvirt-move.h"

#include <glib-unix.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/printable.h"
#include "base/signals.h"
#include "base/terminal.h"
#include "libvirt/libvirt-address.h"
#include "libvirt/libvirt-guest.h"
#include "libvirt/libvirt-job.h"
#include "libvirt/libvirt-leftover.h"
#include "libvirt/libvirt-metadata.h"
#include "libvirt/libvirt-pair.h"
#include "libvirt/libvirt-report.h"
#include "libvirt/libvirt-scope.h"
#include "libvirt/libvirt-sender.h"
#include "libvirt/libvirt-verdict.h"
#include "migrate/core/migrate-token.h"

#define RUN_DIRECTORY "/run/postlude"
#define PROGRESS_MS 1000
#define DISKS_S 86400

typedef struct {
    const LibvirtOptions *options;
    LibvirtPair pair;
    LibvirtAddress address;
    char *token, *token_path;
    LibvirtSender *sender;
    LibvirtJob *job;
    GMainLoop *loop;
    char *reason; /* what went wrong first; all else followed from it */
    bool tidied;
} Move;

static void
forget_token_file(Move *move)
{
    if (move->token_path) {
        unlink(move->token_path);
        g_clear_pointer(&move->token_path, g_free);
    }
}

static void
move_clear(Move *move)
{
    /* First the sender, so that libvirt's thread is not waited for in vain. */
    g_clear_pointer(&move->sender, libvirt_sender_free);
    g_clear_pointer(&move->job, libvirt_job_free);
    forget_token_file(move);
    g_clear_pointer(&move->token, g_free);
    libvirt_address_clear(&move->address);
    g_clear_pointer(&move->loop, g_main_loop_unref);
    g_clear_pointer(&move->reason, g_free);
    libvirt_pair_clear(&move->pair);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Move, move_clear)

/* The network that QEMU's own migration was sent through is the one to take. */
static bool
choose_address(Move *move, GError **error)
{
    const LibvirtOptions *o = move->options;
    g_autofree char *uri =
        move->pair.destination ? virConnectGetURI(move->pair.destination) : NULL;
    g_autofree char *host =
        o->migrate_uri ? libvirt_daemon_host_of_uri(o->migrate_uri) : NULL;
    if (!host) {
        host = libvirt_daemon_host_of_uri(uri ? uri : o->dest_uri);
    }
    if (!host && !o->listen) {
        return error_set(error, ERROR_USAGE,
                         "'%s' names no host; say with --listen where the "
                         "destination will reach this host",
                         o->dest_uri);
    }
    return libvirt_address_choose(o->listen, host, &move->address, error);
}

static bool
make_token(Move *move, GError **error)
{
    if (g_mkdir_with_parents(RUN_DIRECTORY, 0700) != 0) {
        return error_set(error, ERROR_FAILED,
                         "cannot make " RUN_DIRECTORY "; run as root");
    }
    libvirt_leftover_sweep(RUN_DIRECTORY);
    move->token_path = g_strdup_printf(RUN_DIRECTORY "/%s.%d.token",
                                       move->pair.uuid, (int)getpid());
    move->token = migrate_token_make(move->token_path, error);
    return move->token != NULL;
}

static bool
is_past_no_return(const Move *move)
{
    return move->sender && libvirt_sender_is_past_no_return(move->sender);
}

static void
note_reason(Move *move, const char *reason)
{
    if (!move->reason) {
        move->reason = g_strdup(reason && *reason ? reason : "see above");
    }
}

/* Before the point of no return: both ends of it. */
static void
move_stop(Move *move, const char *reason)
{
    note_reason(move, reason);
    if (move->job && !libvirt_job_has_ended(move->job)) {
        libvirt_job_abort(move->job);
    }
    libvirt_sender_cancel(move->sender);
}

static void move_say(const char *format, ...) G_GNUC_PRINTF(1, 2);

/* The sender may be drawing its bar on the same terminal. */
static void
move_say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    g_autofree char *raw = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_autofree char *text = printable_line(raw);
    if (terminal_is(STDERR_FILENO)) {
        terminal_hide(STDERR_FILENO);
    }
    fprintf(stderr, "%s\n", text);
}

/* As an operator would. A <collapse/> of his own goes with it: virsh takes out
 * the element as a whole. */
static void
say_how_to_tidy(const Move *move, const char *why)
{
    const LibvirtOptions *o = move->options;
    move_say(
        "warning: the sender's address and token may still be in the domain's "
        "metadata on the destination: %s; 'virsh -c %s metadata %s %s "
        "--live%s --remove' takes them out (with all else of Postlude's in "
        "there), and so does the next 'postlude migrate'",
        why, o->dest_uri,
        o->new_name ? o->new_name : virDomainGetName(move->pair.domain),
        LIBVIRT_METADATA_URI, o->persistent ? " --config" : "");
}

/* At once when libvirt has moved it: nobody has to read the token there any
 * more, and who knows whether we live to see the last page. */
static void
move_tidy(Move *move)
{
    g_autoptr(GError) why = NULL;
    move->tidied = true;
    if (!libvirt_pair_reach_destination(&move->pair, move->options, &why) ||
        !libvirt_guest_tidy(move->pair.destination, move->pair.uuid, &why)) {
        say_how_to_tidy(move, why->message);
    }
}

static void move_decide(Move *move);

static void
on_change(gpointer data)
{
    move_decide(data);
}

static bool
start_job(Move *move, GError **error)
{
    const LibvirtOptions *o = move->options;
    /* The address that we found is a number; certificates tell names. */
    g_autofree char *hostname =
        o->listen ? NULL : virConnectGetHostname(move->pair.source);
    g_autofree char *dest_xml = libvirt_guest_dest_xml(
        move->pair.domain, o, move->address.text, hostname, move->token, error);
    g_autofree char *persist_xml = NULL;
    if (!dest_xml || !libvirt_guest_persist_xml(move->pair.domain, o, &persist_xml,
                                                error)) {
        return false;
    }
    if (!log_is_quiet()) {
        move_say("libvirt: migrating %s to %s",
                 virDomainGetName(move->pair.domain), o->dest_uri);
    }
    move->job = libvirt_job_start(move->pair.domain, move->pair.destination, o, dest_xml,
                                  persist_xml, on_change, move);
    return true;
}

static void
begin_job(Move *move)
{
    g_autoptr(GError) why = NULL;
    forget_token_file(move);
    if (!start_job(move, &why)) {
        move_stop(move, why->message);
    }
}

/* It need not know: one that was killed may have been past it. */
static bool
may_have_gone(const Move *move)
{
    return is_past_no_return(move) || libvirt_sender_left_work(move->sender) ||
           libvirt_sender_exit_status(move->sender) == LIBVIRT_VERDICT_GIVEN_UP;
}

static void
on_sender_over(Move *move)
{
    if (libvirt_sender_exit_status(move->sender) == LIBVIRT_VERDICT_DONE) {
        return;
    }
    note_reason(move, libvirt_sender_end(move->sender));
    if (move->job && !libvirt_job_has_ended(move->job) &&
        !may_have_gone(move)) {
        /* libvirt would find out much later. */
        libvirt_job_abort(move->job);
    }
}

static void
on_job_over(Move *move)
{
    const char *failure = libvirt_job_failure(move->job);
    if (failure) {
        /* If the sender was killed, that is why. */
        if (!libvirt_sender_was_replaced(move->sender)) {
            note_reason(move, failure);
        }
        libvirt_sender_cancel(move->sender);
    } else if (!move->tidied) {
        move_tidy(move);
    }
}

/* Called after everything that happens. */
static void
move_decide(Move *move)
{
    bool sender_over = libvirt_sender_has_ended(move->sender);
    bool job_over = move->job && libvirt_job_has_ended(move->job);
    if (!move->job && !sender_over && !move->reason &&
        libvirt_sender_has_said(move->sender, "listening")) {
        begin_job(move);
    }
    if (job_over) {
        on_job_over(move);
    }
    if (sender_over) {
        on_sender_over(move);
    }
    if (sender_over && (job_over || !move->job)) {
        g_main_loop_quit(move->loop);
    }
}

static gboolean
on_signal(gpointer data)
{
    Move *move = data;
    if (is_past_no_return(move)) {
        move_say(
            "the guest has gone over: its memory must follow, so this cannot "
            "be stopped any more");
    } else {
        move_stop(move, "stopped by a signal");
    }
    return G_SOURCE_CONTINUE;
}

static gboolean
on_timeout(gpointer data)
{
    Move *move = data;
    if (!is_past_no_return(move)) {
        move_stop(move, "the time given with --timeout is over");
    }
    return G_SOURCE_REMOVE;
}

/* The state of the devices is over in milliseconds. */
static bool
copies_disks(const LibvirtOptions *o)
{
    return o->copy_storage_all || o->copy_storage_inc;
}

static gboolean
on_progress(gpointer data)
{
    Move *move = data;
    uint64_t done, total;
    if (!log_is_quiet() && copies_disks(move->options) && move->job &&
        !libvirt_job_has_ended(move->job) &&
        libvirt_job_progress(move->job, &done, &total)) {
        move_say("libvirt: %" PRIu64 " of %" PRIu64 " MiB of the disks",
                 done >> 20, total >> 20);
    }
    return G_SOURCE_CONTINUE;
}

/* Disks are copied after the destination is armed and before QEMU is told to
 * migrate; libvirt watches over that itself, and our end ends it. */
static int
patience_s(const LibvirtOptions *o)
{
    return copies_disks(o) ? DISKS_S : o->peer_timeout_s;
}

static void
add_option(GPtrArray *arguments, const char *option, const char *value)
{
    if (value) {
        g_ptr_array_add(arguments, g_strdup_printf("%s=%s", option, value));
    }
}

static GPtrArray *
more_arguments(const LibvirtOptions *o)
{
    GPtrArray *more = g_ptr_array_new_with_free_func(g_free);
    if (o->insecure) {
        g_ptr_array_add(more, g_strdup("--insecure"));
    }
    if (o->tls) {
        g_ptr_array_add(more, g_strdup("--tls"));
    }
    add_option(more, "--tls-creds", o->tls_creds);
    add_option(more, "--tls-peer", o->tls_peer);
    if (o->streams > 0) {
        g_ptr_array_add(more, g_strdup_printf("--streams=%d", o->streams));
    }
    g_ptr_array_add(more,
                    g_strdup_printf("--peer-timeout=%d", patience_s(o)));
    g_ptr_array_add(more, NULL);
    return more;
}

static bool
start_sender(Move *move, GError **error)
{
    const LibvirtOptions *o = move->options;
    g_autoptr(GPtrArray) more = more_arguments(o);
    g_autofree char *unit =
        libvirt_scope_is_possible()
            ? g_strdup_printf("postlude-send-%d", (int)getpid())
            : NULL;
    const LibvirtSenderOptions options = {
        .program = o->program,
        .qmp_path = move->pair.prepare.monitor,
        .listen = move->address.text,
        .token_path = move->token_path,
        .more = (const char *const *)more->pdata,
        .quiet = o->json,
        .unit = unit,
        .domain = virDomainGetName(move->pair.domain),
    };
    move->sender = libvirt_sender_start(&options, on_change, move, error);
    return move->sender != NULL;
}

static void
move_run(Move *move)
{
    guint sources[] = {
        signals_watch(SIGINT, on_signal, move),
        signals_watch(SIGTERM, on_signal, move),
        signals_watch(SIGHUP, on_signal, move),
        g_timeout_add(PROGRESS_MS, on_progress, move),
    };
    guint limit = move->options->timeout_s > 0
                      ? g_timeout_add_seconds(
                            (guint)move->options->timeout_s, on_timeout, move)
                      : 0;
    move->loop = g_main_loop_new(NULL, false);
    g_main_loop_run(move->loop);
    for (unsigned i = 0; i < G_N_ELEMENTS(sources); i++) {
        if (sources[i]) {
            g_source_remove(sources[i]);
        }
    }
    if (limit && g_main_context_find_source_by_id(NULL, limit)) {
        g_source_remove(limit);
    }
}

static int
move_judge(Move *move, GError **error)
{
    const LibvirtVerdict facts = {
        .domain = virDomainGetName(move->pair.domain),
        .state = libvirt_daemon_state(move->pair.domain),
        .qmp_path = move->pair.prepare.monitor,
        .called = move->job != NULL,
        .failure = move->job ? libvirt_job_failure(move->job) : NULL,
        .sender_status = libvirt_sender_exit_status(move->sender),
        .sender_end = libvirt_sender_end(move->sender),
        .ended = libvirt_sender_line(move->sender)->ended,
        .armed = libvirt_sender_has_said(move->sender, "ready"),
        .past_no_return = is_past_no_return(move),
        .left_work = libvirt_sender_left_work(move->sender),
        .reason = move->reason,
    };
    return libvirt_verdict(&facts, error);
}

static const char *
outcome_of(const Move *move, int status)
{
    bool ended = move->sender && libvirt_sender_line(move->sender)->ended;
    return status == LIBVIRT_VERDICT_DONE       ? ended ? "ended" : "completed"
           : status == LIBVIRT_VERDICT_GIVEN_UP ? "given-up"
                                                : "failed";
}

/* Of a success that is none of the ordinary kind. */
static const char *
why_ended(const Move *move, int status)
{
    return status == LIBVIRT_VERDICT_DONE && move->sender &&
                   libvirt_sender_line(move->sender)->ended
               ? libvirt_sender_end(move->sender)
               : NULL;
}

/* It may have ended before anything of it was found or started. */
static void
print_json(const Move *move, int status, const GError *why)
{
    const LibvirtReport report = {
        .domain = move->pair.domain ? virDomainGetName(move->pair.domain)
                                    : move->options->domain,
        .uuid = move->pair.domain ? move->pair.uuid : NULL,
        .destination = move->options->dest_uri,
        .outcome = outcome_of(move, status),
        .reason = why ? why->message : why_ended(move, status),
        .libvirt_failure = move->job ? libvirt_job_failure(move->job) : NULL,
        .sender_json =
            move->sender ? libvirt_sender_line(move->sender)->report : NULL,
    };
    g_autofree char *text = libvirt_report_to_json(&report);
    printf("%s", text);
}

static bool
move_begin(Move *move, GError **error)
{
    return libvirt_pair_open(&move->pair, move->options, error) &&
           libvirt_pair_ask_for_hook(&move->pair, error) &&
           choose_address(move, error) && make_token(move, error) &&
           start_sender(move, error);
}

/* libvirt's call may fail when the guest is over there already. */
static int
carry_out(Move *move, GError **error)
{
    move_run(move);
    int status = move_judge(move, error);
    if (why_ended(move, status)) {
        move_say("'%s' has gone over to the destination; %s",
                 virDomainGetName(move->pair.domain), why_ended(move, status));
    }
    if (move->job && !move->tidied && status == LIBVIRT_VERDICT_GIVEN_UP) {
        move_tidy(move);
    }
    return status;
}

static int
move_refuse(const GError *why)
{
    return error_is(why, ERROR_USAGE) ? LIBVIRT_VERDICT_USAGE
                                      : LIBVIRT_VERDICT_FAILED;
}

int
libvirt_move(const LibvirtOptions *options, GError **error)
{
    g_auto(Move) move = {.options = options, .address.claim = -1};
    GError *why = NULL;
    int status =
        move_begin(&move, &why) ? carry_out(&move, &why) : move_refuse(why);
    if (options->json) {
        print_json(&move, status, why);
    }
    if (why) {
        g_propagate_error(error, why);
    }
    return status;
}
