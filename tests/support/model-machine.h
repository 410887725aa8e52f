/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The machine of a model of QEMU: run state, RAM blocks, devices, and the
 * guest, a thread that reads and writes the RAM while the machine runs. Used on
 * the main thread.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>

#include "tests/support/model-board.h"

typedef struct {
    char *name;  /* also the id of its memory backend */
    char *path;  /* as the backend was told */
    uint8_t *view;
    uint64_t bytes;
} ModelBlock;

typedef struct {
    char *id, *type; /* "vfio0", "vfio-pci" */
} ModelDevice;

typedef struct {
    ModelBoard *board;
    unsigned slot;        /* ours on the board */
    const char *state;    /* QEMU's word: "running", "inmigrate"... */
    bool autostart;       /* of "inmigrate" */
    GArray *blocks;       /* ModelBlock */
    GArray *devices;      /* ModelDevice */
    uint64_t guest_pages; /* how many of them the guest knows */
    uint64_t rounds;      /* of the guest: decides what it touches next */
    GMutex lock;          /* held while the guest touches its memory */
    GCond may_run;
    bool runs;
} ModelMachine;

void model_machine_init(ModelMachine *machine, ModelBoard *board,
                        unsigned slot, bool incoming);

/* Adds a block of shared memory in /dev/shm. */
bool model_machine_add_ram(ModelMachine *machine, const char *name,
                           uint64_t bytes);
void model_machine_add_device(ModelMachine *machine, const char *id,
                              const char *type);
bool model_machine_remove_device(ModelMachine *machine, const char *id);

/* The guest fills three quarters of its memory and knows all of it. */
void model_machine_boot(ModelMachine *machine);

/* Lets the guest run, or waits until it stands still and calls that STATE. */
void model_machine_run(ModelMachine *machine);
void model_machine_halt(ModelMachine *machine, const char *state);

/* Reads a page, as loading devices does. */
void model_machine_touch(ModelMachine *machine);

/* How many pages are not as the guest left them. */
uint64_t model_machine_scan(ModelMachine *machine);

/* The page in RAM, or NULL beyond its end. */
uint64_t *model_machine_page(ModelMachine *machine, uint64_t page);
