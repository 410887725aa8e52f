/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A model of QEMU's migration, outgoing and incoming, as QEMU 7.2 and 10.0 do
 * it (each answer was tried on both): which states follow each other, what they
 * do to the run state, which events tell of it, what is refused meanwhile. The
 * stream is a line of text for the devices, and the RAM unless x-ignore-shared
 * is on. Main thread.
 */
#pragma once

#include "tests/support/model-machine.h"
#include "tests/support/model-monitor.h"

#define MODEL_CAPABILITIES 13

typedef struct {
    ModelMachine *machine;
    ModelMonitors *monitors;
    unsigned version;
    bool capabilities[MODEL_CAPABILITIES];
    const char *status;   /* outgoing: "none", "setup", ...; and what QEMU calls
                             "device" all the same: "sent", "loaded" */
    const char *incoming; /* the same of the other direction */
    const char *hold;     /* the status at which the hand wants it to stay */
    bool held;
    bool ran;             /* when the guest was stopped for it */
    const char *before;   /* the run state then */
    bool may_go;          /* "migrate-continue" was said */
    bool mapped;          /* it began with x-ignore-shared */
    uint64_t carried_pages; /* of RAM, by the last one that went away */
    bool of_hand;         /* the hand started it, nobody of ours */
    char *then_status, *then_command; /* at that status, do this */
    int stream;           /* the channel, either way, or -1 */
    int listener;         /* of an incoming "unix:", or -1 */
    uint64_t heard_pages; /* of the guest that comes in */
} ModelMigration;

extern const char *const model_capability_names[MODEL_CAPABILITIES];

void model_migration_init(ModelMigration *migration, ModelMachine *machine,
                          ModelMonitors *monitors, unsigned version);

bool model_migration_is_on(const ModelMigration *migration, const char *name);
/* A migration of this QEMU to another is under way. */
bool model_migration_is_under_way(const ModelMigration *migration);

/* Each returns NULL or QEMU's words. CHANNEL is taken over. */
const char *model_migration_begin(ModelMigration *migration, int channel,
                                  bool of_hand);
const char *model_migration_expect(ModelMigration *migration, int channel,
                                   int listener);
const char *model_migration_continue(ModelMigration *migration,
                                     const char *state);
void model_migration_cancel(ModelMigration *migration, bool of_hand);

/* One step, if there is one to do; true if there may be another at once. */
bool model_migration_step(ModelMigration *migration);

/* To wait for besides the monitors, or -1. */
int model_migration_fd(const ModelMigration *migration);
