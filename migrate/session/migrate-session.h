/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * One VM, one migration, one side of it: owns everything that has to be given
 * back, and is where the main thread waits. Only the main thread touches it;
 * other threads are handed the pieces they need and report by the alarm.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

#include "migrate/confine/migrate-attendant.h"
#include "migrate/core/migrate-alarm.h"
#include "migrate/core/migrate-options.h"
#include "migrate/core/migrate-report.h"
#include "migrate/device/migrate-capability.h"
#include "migrate/device/migrate-relay.h"
#include "migrate/device/migrate-shutdown.h"
#include "migrate/pages/migrate-fault.h"
#include "migrate/pages/migrate-fill.h"
#include "migrate/pages/migrate-huge.h"
#include "migrate/ram/migrate-ram.h"
#include "migrate/send/migrate-push.h"
#include "migrate/send/migrate-serve.h"
#include "migrate/takeover/migrate-archive.h"
#include "migrate/takeover/migrate-claim.h"
#include "wire/wire-porch.h"

/* Where the story is; the order of migrate-stages.c. */
typedef enum {
    MIGRATE_INSPECT,
    MIGRATE_CONNECT,
    MIGRATE_AGREE,
    MIGRATE_PREPARE,
    MIGRATE_WAIT,
    MIGRATE_SWITCHOVER,
    MIGRATE_POSTCOPY,
    MIGRATE_SETTLE,
    MIGRATE_OVER,
} MigrateStageId;

typedef struct {
    unsigned type;
    GByteArray *payload;
} MigrateFrame;

struct MigrateDriver;

typedef struct MigrateSession {
    MigrateOptions options;
    /* Of QEMU's migration; by the options, see migrate-stages.c. */
    const struct MigrateDriver *driver;
    MigrateStageId stage;
    bool past_no_return;
    MigrateAlarm alarm;
    MigrateReport report;

    /* the guest */
    QmpClient *qmp;
    QmpIdentity identity;
    pid_t pid;
    uint64_t qemu_started; /* see base/proc-life.h */
    int pidfd;
    MigrateClaim *claim; /* NULL: nothing was touched, so nothing is undone */
    bool was_idle; /* QEMU said that it migrates nothing, so what comes is new */
    GArray *blocks; /* of QmpRamBlock: all that QEMU had, see migrate-recheck.h */
    MigrateRam *ram;
    MigrateCapability *capability;
    bool qemu_gone;
    bool more; /* the peer has said more than was taken in at a time */
    bool owes_alive;
    bool lacks; /* it was said what is not to be had */
    char *migration_status; /* of the last MIGRATION event, or NULL */
    bool too_early;         /* follow: nobody is armed, so none may begin */
    gint64 stopped_us;      /* wall clock of the STOP event, 0: none */
    bool resumed;           /* a RESUME event came, and no STOP since */
    bool guest_ran;         /* it ran when the migration began */
    bool crashed;           /* a GUEST_PANICKED event came, and no RESUME since */
    bool unplugged;         /* a DEVICE_DELETED event came */
    MigrateShutdown shutdown; /* what QEMU said of the guest's end */
    WireEndedCode ended; /* the guest ended on the destination; 0: it has not */
    char *ended_words;

    /* the peer */
    WireAddress *address;
    uint8_t session[WIRE_SESSION_BYTES]; /* this migration */
    uint8_t ticket[WIRE_SESSION_BYTES];  /* this set of its connections */
    unsigned n_streams;
    int listener; /* source */
    WirePorch *porch; /* source: before the listener */
    WireLink *control, *device, *urgent;
    WireLink *bulk[WIRE_MAX_STREAMS];
    GQueue frames; /* MigrateFrame, not yet expected by anybody */
    bool control_lost;
    bool peer_aborted; /* in its own words, not by silence */
    bool refused;      /* after RUN: the guest did not start there and will not */
    bool linked;       /* after RUN: all connections of the set are at work */
    uint64_t heard_ns; /* when the peer's last frame came */
    unsigned rejoins;  /* sets of connections after the first */
    char *peer_host;   /* source: where the destination is, or NULL */

    /* at work */
    MigrateArchive *archive; /* NULL: nobody could take over from us */
    bool unrecorded; /* past the point of no return, and the last try failed */
    int report_file; /* opened before the confinement, or -1 */
    MigrateRelay *relay;
    struct {
        MigrateSent *sent;
        MigrateOrder *order;
        MigrateServe *serve;
        MigratePush *push[WIRE_MAX_STREAMS];
        uint64_t present_pages, demand_pages; /* PROGRESS of the destination */
        int keeper;    /* its life line until the switchover, or -1 */
        bool stop_heard; /* while QEMU's migration is active, by whomever */
        bool begun; /* "migrate" is out: what QEMU migrates is ours */
        bool ran_again; /* RESUME came after the stop, STOP since or not */
        bool unasked; /* resume: QEMU did not say what became of it */
        bool running;  /* RUNNING was heard */
        bool complete; /* RESUME said that every page is there */
        bool (*until)(struct MigrateSession *); /* of migrate_readmit_wait() */
    } source;
    /* of connections and threads that have ended */
    struct {
        uint64_t bytes_sent, bytes_received;
        uint64_t pushed_pages, answered_pages;
        uint64_t device_bytes; /* of a helper that was taken over from */
    } past;
    struct {
        uint8_t **wanted; /* per block, one byte per extent: holds data */
        uint64_t lay_extents, tried_extents; /* while huge pages are laid */
        int uffd;
        int remote_uffd; /* its number inside QEMU, -1: none */
        CollapseTarget *target;
        MigrateAttendant *attendant; /* NULL: we are not confined */
        UffdRegions *regions;
        MigratePages *pages;
        MigrateHuge *huge;
        MigrateFault *fault;
        MigrateFill *fill[WIRE_MAX_STREAMS];
        MigrateTally tally; /* of threads that have ended */
        bool emptied; /* what is in the RAM files is ours to take away */
        bool at_limit; /* no room for huge pages: do not sweep either */
        bool start_guest;
        bool looked, left; /* QEMU has loaded; as it is, it is not to start */
        bool starting; /* "cont" may be on its way: see start_guest() */
        bool ran;      /* the guest ran here, at some time */
        uint64_t flow_bytes, flow_ns; /* received, and since when so many */
        struct {
            bool run_heard, final_heard, announced;
            bool end_told; /* QEMU was killed by us */
        } follow;
    } destination;

    /* the operator */
    bool settled; /* nobody needs this process any more: signals end it */
    bool interrupted;
    bool sweeping; /* the last sweep: a signal may end it */
    bool orphaned; /* --parent-fd: then it is that which interrupted */
    bool go; /* SIGUSR1 */
    void (*on_step)(struct MigrateSession *, const char *word, gpointer);
    gpointer on_step_data;
    guint sources[4];
    guint watch_qmp, watch_control, watch_parent; /* 0: none */
    guint recorder; /* writes the journal from time to time; 0: not yet */
} MigrateSession;

MigrateSession *migrate_session_new(const MigrateOptions *options);

/* Gives back whatever is still held; the stages' undo has run before. */
void migrate_session_free(MigrateSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MigrateSession, migrate_session_free)

const char *migrate_stage_id_name(MigrateStageId stage);

/* Something happened that --events-fd has a WORD for. */
void migrate_session_step(MigrateSession *session, const char *word);

/* Wakes the main loop when FD is readable, until its other end is closed;
 * the id is for g_source_remove(). */
guint migrate_session_watch(MigrateSession *session, int fd);

/* The session's eyes open: takes in what QEMU, the peer, the threads and the
 * operator have said. False if any of it means that the session cannot go on:
 * VM_GONE, PEER_GONE (also when the peer sent ABORT: then with its reason),
 * PROTOCOL, CANCELLED. */
bool migrate_session_take_in(MigrateSession *session, GError **error);

/* Takes in what QEMU has said, and nothing else; does not wait. */
void migrate_session_take_in_qemu(MigrateSession *session);

/* Until DONE is true of the session (asked after everything that happens) or
 * TIMEOUT_MS passes (negative: no limit; RETRY, naming WHAT was waited for). */
/* A thread or a descriptor is not to be had just now (WHY, taken over), and
 * without it nothing goes on. After the point of no return that is said, once,
 * and true comes a second later: try again. False with ERROR: give up. */
bool migrate_session_outlast(MigrateSession *session, GError **why,
                             GError **error);

bool migrate_session_wait(MigrateSession *session,
                          bool (*done)(MigrateSession *), int timeout_ms,
                          const char *what, GError **error);

/* Waits for the peer's next frame, which must be of TYPE; the payload is the
 * caller's. */
GByteArray *migrate_session_expect(MigrateSession *session, unsigned type,
                                   int timeout_ms, GError **error);

bool migrate_session_has_frame(MigrateSession *session);

/* The oldest frame that nobody took, or false. */
bool migrate_session_pop_frame(MigrateSession *session, MigrateFrame *frame);

/* Sends a frame; PAYLOAD (may be NULL) is borrowed. */
bool migrate_session_tell(MigrateSession *session, unsigned type,
                          const GByteArray *payload, GError **error);

/* Tells the peer why we stop, if there is one; never fails. */
void migrate_session_tell_abort(MigrateSession *session, const char *reason);
