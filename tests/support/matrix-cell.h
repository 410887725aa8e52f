/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The matrix of "two hands on one guest": at a stage of a move something
 * changes. A cell is one stage and one change, of one kind of move. Its verdict
 * is the same everywhere: one guest, and it has its memory.
 */
#pragma once

#include "tests/support/model-scene.h"

typedef enum {
    MATRIX_OWN,    /* send and receive */
    MATRIX_FOLLOW, /* the hand drives QEMU's migration */
    MATRIX_RESUME, /* own; helpers are killed there, and --resume follows */
    MATRIX_KINDS,
} MatrixKind;

typedef enum {
    MATRIX_INSPECT_A, /* the sender's first question to QEMU */
    MATRIX_INSPECT_B, /* the receiver's */
    MATRIX_CONNECT,   /* the sender listens, nobody dials yet */
    MATRIX_AGREE,     /* the sender stands still in this stage */
    MATRIX_PREPARE,   /* the receiver is about to hand QEMU a descriptor */
    MATRIX_WAIT,      /* armed; own: until SIGUSR1, follow: until the driver */
    MATRIX_START,     /* own: before "migrate", all is prepared */
    MATRIX_ACTIVE,    /* QEMU's migration is "active" */
    MATRIX_STOPPED,   /* "pre-switchover", before "migrate-continue" */
    MATRIX_DEVICE,    /* "device" */
    MATRIX_COMPLETED, /* QEMU is done, the sender has not noticed */
    MATRIX_RUN,       /* RUN is said, before "cont" on B */
    MATRIX_POSTCOPY,  /* the guest runs on B, its memory is on A */
    MATRIX_SETTLE,    /* all is there */
    MATRIX_STAGES,
} MatrixStage;

typedef enum {
    MATRIX_NOTHING,
    MATRIX_STOP,        /* the operator says "stop" where the guest is */
    MATRIX_CONT,        /* "cont" there; early: to a guest that is paused */
    MATRIX_CONT_SOURCE, /* "cont" on A, wherever the guest is */
    MATRIX_CONT_STOP_SOURCE, /* and "stop" at once: it has run all the same */
    MATRIX_PANIC,            /* the guest panics */
    MATRIX_POWEROFF,         /* it powers itself off (-no-shutdown) */
    MATRIX_RAM,              /* a pc-dimm is plugged in, on both sides */
    MATRIX_DEVICE_ADD,       /* a device that cannot be moved: vfio-pci */
    MATRIX_CAPABILITY_A,     /* x-ignore-shared and the pause off on A */
    MATRIX_CAPABILITY_B,     /* x-ignore-shared off on B */
    MATRIX_NATIVE,           /* the hand moves the guest from A to C */
    MATRIX_NATIVE_ACTIVE,    /* the same, and it is not over yet */
    MATRIX_SEND,             /* another send of A, with a receive on C */
    MATRIX_RECEIVE,          /* another receive on B, from nowhere */
    MATRIX_A_GONE,
    MATRIX_B_GONE,
    MATRIX_SENDER_GONE,
    MATRIX_RECEIVER_GONE,
    MATRIX_CHANGES,
} MatrixChange;

typedef struct {
    MatrixKind kind;
    MatrixStage stage;
    MatrixChange change;
    bool carried; /* QEMU carried the change out */
} MatrixCell;

extern const char *const matrix_kind_names[MATRIX_KINDS];
extern const char *const matrix_stage_names[MATRIX_STAGES];
extern const char *const matrix_change_names[MATRIX_CHANGES];

/* Why there is no such cell by its nature, or NULL. */
const char *matrix_cell_why_not(const MatrixCell *cell);

/* Moves the guest through SCENE as CELL says, to its end. */
void matrix_cell_play(MatrixCell *cell, ModelScene *scene);

/* What changes, at the moment. */
void matrix_change_do(MatrixCell *cell, ModelScene *scene);
/* What it held up goes on: a stranger's migration that is active. */
void matrix_change_finish(MatrixCell *cell, ModelScene *scene);

/* Judges how it ended. */
void matrix_verdict_give(const MatrixCell *cell, ModelScene *scene);
