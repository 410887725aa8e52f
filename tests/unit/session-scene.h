/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A session of a guest that is none: a process stands for QEMU, and one page
 * for its RAM. Enough for what is kept in the run-time directory. Main thread
 * only.
 */
#pragma once

#include "migrate/session/migrate-session.h"
#include "migrate/takeover/migrate-archive.h"

typedef struct {
    pid_t qemu; /* 0: it has ended */
    char *qmp;
    MigrateSession *session;
} SessionScene;

void session_scene_init(SessionScene *scene, MigrateRole role);
void session_scene_end_qemu(SessionScene *scene);
void session_scene_clear(SessionScene *scene);

/* The claim on its QEMU. */
MigrateClaim *session_scene_claim(const SessionScene *scene, GError **error);

/* The archive of it in ROLE. */
MigrateArchive *session_scene_archive(const SessionScene *scene,
                                      MigrateRole role, GError **error);

/* Writes its journal as it stands into ARCHIVE. */
bool session_scene_write(const SessionScene *scene, MigrateArchive *archive,
                         GError **error);

/* Its file with ENDING in the run-time directory; owned by the caller. ".lock"
 * is the claim's. */
char *session_scene_path(const SessionScene *scene, const char *ending);
