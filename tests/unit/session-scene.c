/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A guest that is none: see session-scene.h.
 */
#include "tests/unit/session-scene.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/proc-life.h"
#include "base/range.h"
#include "migrate/core/migrate-rundir.h"
#include "migrate/session/migrate-record.h"

void
session_scene_init(SessionScene *scene, MigrateRole role)
{
    g_autoptr(GError) error = NULL;
    scene->qemu = fork();
    if (scene->qemu == 0) {
        /* A test that fails leaves nobody, and no journal that counts. */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pause();
        _exit(0);
    }
    scene->qmp = g_strdup_printf("/nowhere/%d.qmp", (int)scene->qemu);
    const MigrateOptions options = {.role = role,
                                    .qmp_path = scene->qmp,
                                    .address = (char *)"127.0.0.1:1",
                                    .peer_timeout_s = 1,
                                    .link_timeout_s = 1};
    MigrateSession *session = migrate_session_new(&options);
    session->guest.pid = scene->qemu;
    session->guest.pidfd = (int)syscall(SYS_pidfd_open, scene->qemu, 0);
    g_assert_cmpint(session->guest.pidfd, >=, 0);
    proc_life_started(scene->qemu, &session->guest.started, &error);
    g_assert_no_error(error);
    session->guest.ram = g_new0(MigrateRam, 1);
    session->guest.ram->n_blocks = 1;
    session->guest.ram->blocks = g_new0(MigrateBlock, 1);
    session->guest.ram->blocks[0] = (MigrateBlock){
        .name = g_strdup("ram"), .bytes = PAGE_BYTES, .inode = 1, .file = -1};
    scene->session = session;
}

void
session_scene_end_qemu(SessionScene *scene)
{
    if (scene->qemu > 0) {
        kill(scene->qemu, SIGKILL);
        waitpid(scene->qemu, NULL, 0);
        scene->qemu = 0;
    }
}

void
session_scene_clear(SessionScene *scene)
{
    migrate_session_free(scene->session);
    session_scene_end_qemu(scene);
    g_free(scene->qmp);
}

MigrateClaim *
session_scene_claim(const SessionScene *scene, GError **error)
{
    return migrate_claim_take(scene->session->guest.pid,
                              scene->session->guest.started, "test", error);
}

MigrateArchive *
session_scene_archive(const SessionScene *scene, MigrateRole role,
                      GError **error)
{
    return migrate_archive_open(role, scene->session->guest.pid,
                                scene->session->guest.started, error);
}

bool
session_scene_write(const SessionScene *scene, MigrateArchive *archive,
                    GError **error)
{
    MigrateJournal journal;
    migrate_record_of(scene->session, &journal);
    return migrate_archive_write(archive, &journal, error);
}

char *
session_scene_path(const SessionScene *scene, const char *ending)
{
    g_autofree char *directory = migrate_rundir_path();
    bool lock = g_str_equal(ending, ".lock");
    return g_strdup_printf(
        "%s/%s-%d-%" G_GUINT64_FORMAT "%s", directory,
        lock ? "qemu"
        : scene->session->options.role == MIGRATE_SEND ? "send"
                                                       : "receive",
        (int)scene->session->guest.pid, scene->session->guest.started, ending);
}
