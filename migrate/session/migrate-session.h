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
#include "migrate/core/migrate-patience.h"
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

typedef struct MigrateSession MigrateSession;

/* QEMU and its guest on this host. Written by what looks at QEMU: session/ and
 * drive/, inspect and resume. */
typedef struct {
    QmpClient *qmp; /* NULL: not opened yet, or of no use any more */
    QmpIdentity identity;
    pid_t pid;
    uint64_t started; /* see base/proc-life.h */
    int pidfd;
    bool gone;
    MigrateClaim *claim; /* NULL: nothing was touched, so nothing is undone */
    GArray *blocks; /* of QmpRamBlock: all that QEMU had, see migrate-recheck.h */
    MigrateRam *ram;
    MigrateCapability *capability;
    char *migration; /* the status of the last MIGRATION event, or NULL */
    bool was_idle;  /* QEMU said that it migrates nothing, so what comes is new */
    bool too_early; /* follow: nobody is armed, so none may begin */
    gint64 stopped_us; /* wall clock of the STOP event, 0: none */
    bool resumed;      /* a RESUME event came, and no STOP since */
    bool ran;          /* it ran when the migration began */
    bool crashed;      /* a GUEST_PANICKED event came, and no RESUME since */
    bool unplugged;    /* a DEVICE_DELETED event came */
    MigrateShutdown shutdown; /* what QEMU said of the guest's end */
    WireEndedCode ended; /* the guest ended on the destination; 0: it has not */
    char *ended_words;
    guint watch; /* of the monitor; 0: none */
} MigrateSessionGuest;

/* The helper on the other host and the connections to it. Written by link/ and
 * migrate-mailbox.c. */
typedef struct {
    WireAddress *address;
    uint8_t id[WIRE_SESSION_BYTES];     /* this migration */
    uint8_t ticket[WIRE_SESSION_BYTES]; /* this set of its connections */
    unsigned n_streams;
    int listener;     /* source */
    WirePorch *porch; /* source: before the listener */
    WireLink *control, *device, *urgent;
    WireLink *bulk[WIRE_MAX_STREAMS];
    GQueue frames; /* MigrateFrame, not yet expected by anybody */
    bool more; /* the peer has said more than was taken in at a time */
    bool owes_alive;
    bool control_lost;
    bool aborted;      /* in its own words, not by silence */
    bool refused;      /* after RUN: the guest did not start there and will not */
    bool linked;       /* after RUN: all connections of the set are at work */
    uint64_t heard_ns; /* when the peer's last frame came */
    unsigned rejoins;  /* sets of connections after the first */
    char *host;        /* source: where the destination is, or NULL */
    guint watch;       /* of the control connection; 0: none */
} MigrateSessionPeer;

/* What the source is at work with. */
typedef struct {
    MigrateSent *sent;
    MigrateOrder *order;
    MigrateServe *serve;
    MigratePush *push[WIRE_MAX_STREAMS];
    uint64_t present_pages, demand_pages; /* PROGRESS of the destination */
    int keeper;      /* its life line until the switchover, or -1 */
    bool stop_heard; /* while QEMU's migration is active, by whomever */
    bool begun;      /* "migrate" is out: what QEMU migrates is ours */
    bool ran_again;  /* RESUME came after the stop, STOP since or not */
    bool unasked;    /* resume: QEMU did not say what became of it */
    bool running;    /* RUNNING was heard */
    bool complete;   /* RECONNECT said that every page is there */
    bool (*until)(MigrateSession *); /* of migrate_readmit_wait() */
} MigrateSessionSource;

/* What the destination is at work with. */
typedef struct {
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
    bool emptied;  /* what is in the RAM files is ours to take away */
    bool at_limit; /* no room for huge pages: do not sweep either */
    bool start_guest;
    bool looked, left; /* QEMU has loaded; as it is, it is not to start */
    bool starting; /* "cont" may be on its way: see migrate-start.c */
    bool ran;      /* the guest ran here, at some time */
    uint64_t flow_bytes, flow_ns; /* received, and since when so many */
    struct {
        bool run_heard, final_heard, announced;
        bool end_told; /* QEMU was killed by us */
    } follow;
} MigrateSessionDestination;

/* Who started this process, and what was asked of it since. Written by signals,
 * by the command line and in settle. */
typedef struct {
    bool settled; /* nobody needs this process any more: signals end it */
    bool interrupted;
    bool sweeping; /* the last sweep: a signal may end it */
    bool orphaned; /* --parent-fd: then it is that which interrupted */
    bool go;       /* SIGUSR1 */
    void (*on_step)(MigrateSession *, const char *word, gpointer);
    gpointer on_step_data;
    guint signals[4];
    guint watch_parent; /* 0: none */
} MigrateSessionOperator;

struct MigrateSession {
    MigrateOptions options;
    /* Of QEMU's migration; by the options, see migrate-stages.c. */
    const struct MigrateDriver *driver;
    MigratePatience patience;
    MigrateStageId stage;
    bool past_no_return;
    MigrateAlarm alarm;
    MigrateReport report;
    MigrateSessionGuest guest;
    MigrateSessionPeer peer;
    MigrateSessionSource source;
    MigrateSessionDestination destination;
    MigrateSessionOperator operator;
    MigrateRelay *relay;
    /* of connections and threads that have ended */
    struct {
        uint64_t bytes_sent, bytes_received;
        uint64_t pushed_pages, answered_pages;
        uint64_t device_bytes; /* of a helper that was taken over from */
    } past;
    bool lacks; /* it was said what is not to be had */

    /* for who has to take over */
    MigrateArchive *archive; /* NULL: nobody could take over from us */
    bool unrecorded; /* past the point of no return, and the last try failed */
    guint recorder;  /* writes the journal from time to time; 0: not yet */
    int report_file; /* opened before the confinement, or -1 */
};

MigrateSession *migrate_session_new(const MigrateOptions *options);

/* Gives back whatever is still held; the stages' undo has run before. */
void migrate_session_free(MigrateSession *session);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(MigrateSession, migrate_session_free)

const char *migrate_stage_id_name(MigrateStageId stage);

/* Something happened that --events-fd has a WORD for. */
void migrate_session_step(MigrateSession *session, const char *word);

/* Ends the threads that take pages in, without waiting for memory: the pages
 * hurry from now on. */
void migrate_session_stop_filling(MigrateSession *session);

/* A descriptor at its end would wake us for ever. *ID, if it is one, is 0 then. */
void migrate_session_stop_watching(guint *id);
