/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A move without QEMU: three models of it (model-qemu.c), A with the guest, B
 * that waits for it, C that waits as well, if wanted; the real postlude between them; and
 * another hand on a monitor of each. What goes wrong is collected as text, for
 * a test that runs many scenes. Main thread; one scene a process.
 */
#pragma once

#include "qmp/qmp-client.h"
#include "tests/support/model-board.h"
#include "tests/support/vm-tool.h"

enum { MODEL_A, MODEL_B, MODEL_C, MODEL_QEMUS };

typedef struct {
    VmChild *child;
    char *path;      /* the tool's monitor; the other command's is PATH2 */
    QmpClient *hand; /* NULL once it was ended */
} ModelSide;

typedef struct {
    char *directory;
    char *link;  /* where the sender listens */
    char *link2; /* the same of another one */
    ModelBoard *board;
    ModelSide sides[MODEL_QEMUS];
    VmTool *send, *receive;
    VmTool *send2, *receive2; /* of the other hand */
    unsigned version; /* of the QEMUs */
    bool starts; /* the driver of --follow: the guest ran when it began */
    GString *trouble;
} ModelScene;

/* VERSION of QEMU: 7 or 10. False: it could not be built, see trouble. */
bool model_scene_init(ModelScene *scene, unsigned version);
/* C as well. */
bool model_scene_add_c(ModelScene *scene);
void model_scene_clear(ModelScene *scene);

void G_GNUC_PRINTF(2, 3)
model_scene_complain(ModelScene *scene, const char *format, ...);

/* The tool on side A or B, with more arguments, NULL-terminated or NULL. */
void model_scene_send(ModelScene *scene, const char *const *extra);
void model_scene_receive(ModelScene *scene, const char *const *extra);

/* The hand says COMMAND with ARGUMENTS, JSON or NULL. The answer, or NULL: then
 * *REFUSED (may be NULL) has QEMU's words. A QEMU that is gone says nothing. */
JsonNode *model_scene_ask(ModelScene *scene, unsigned side,
                          const char *command, const char *arguments,
                          char **refused);
/* The same, the answer is of no interest; true if it was carried out. */
bool model_scene_say(ModelScene *scene, unsigned side, const char *command,
                     const char *arguments);

/* query-status' and query-migrate's word, "gone" of one that is. Owned. */
char *model_scene_state(ModelScene *scene, unsigned side);
char *model_scene_migration(ModelScene *scene, unsigned side);

/* Until the hand of SIDE hears the event NAME, with STATUS unless NULL. */
bool model_scene_wait_event(ModelScene *scene, unsigned side,
                            const char *name, const char *status,
                            int timeout_ms);
/* Until query-migrate says STATUS. */
bool model_scene_wait_migration(ModelScene *scene, unsigned side,
                                const char *status, int timeout_ms);

/* SIGKILL, and the board knows that its guest runs no more. */
void model_scene_end_qemu(ModelScene *scene, unsigned side);

bool model_scene_is_gone(const ModelScene *scene, unsigned side);
