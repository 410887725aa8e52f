/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Driving a cell's move from outside: see matrix-driver.h.
 */
#include "tests/support/matrix-driver.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/fd.h"

#define END_MS 12000
#define STOP_MS 2000
#define PATIENCE_MS 1000 /* with a stranger's migration */
#define LOOK_US 2000
#define FIND_OUT_US 3000000

static bool
begin(ModelScene *scene)
{
    static const char both[] =
        "{\"capabilities\": [{\"capability\": \"events\", \"state\": true}, "
        "{\"capability\": \"return-path\", \"state\": true}, "
        "{\"capability\": \"pause-before-switchover\", \"state\": true}]}";
    g_autofree char *uri = g_strdup_printf("{\"uri\": \"unix:%s/native\"}",
                                           scene->directory);
    g_autofree char *state = model_scene_state(scene, MODEL_A);
    scene->starts = g_str_equal(state, "running");
    return model_scene_say(scene, MODEL_B, "stop", NULL) &&
           model_scene_say(scene, MODEL_B, "migrate-incoming", uri) &&
           model_scene_say(scene, MODEL_A, "migrate-set-capabilities", both) &&
           model_scene_say(scene, MODEL_A, "migrate", uri);
}

/* False if it has failed meanwhile. */
static bool
await(ModelScene *scene, const char *status, int timeout_ms)
{
    uint64_t deadline = fd_deadline_ns(timeout_ms);
    while (fd_now_ns() < deadline) {
        g_autofree char *now = model_scene_migration(scene, MODEL_A);
        if (g_str_equal(now, status)) {
            return true;
        }
        if (g_str_equal(now, "failed") || g_str_equal(now, "cancelled") ||
            g_str_equal(now, "gone") || g_str_equal(now, "none")) {
            return false;
        }
        g_usleep(LOOK_US);
    }
    return false;
}

static bool
go_on(ModelScene *scene)
{
    return model_scene_say(scene, MODEL_A, "migrate-continue",
                           "{\"state\": \"pre-switchover\"}");
}

static bool
is_at(ModelScene *scene, int timeout_ms)
{
    return model_scene_wait_event(scene, MODEL_A, "MODEL_AT", NULL,
                                  timeout_ms);
}

/* A QEMU that is to die does so before it has said "completed". */
static bool
reach_completed(const MatrixCell *cell, ModelScene *scene, int timeout_ms)
{
    if (!is_at(scene, timeout_ms)) {
        return false;
    }
    vm_child_kill(vm_tool_child(scene->send), SIGSTOP);
    if (cell->change == MATRIX_A_GONE) {
        return model_scene_wait_migration(scene, MODEL_B, "completed",
                                          timeout_ms);
    }
    model_scene_say(scene, MODEL_A, "x-model-go", NULL);
    return await(scene, "completed", timeout_ms);
}

bool
matrix_driver_reach(const MatrixCell *cell, ModelScene *scene, int timeout_ms)
{
    if (!begin(scene)) {
        return false;
    }
    if (cell->stage == MATRIX_ACTIVE) {
        return is_at(scene, timeout_ms);
    }
    if (!await(scene, "pre-switchover", timeout_ms)) {
        return false;
    }
    if (cell->stage == MATRIX_STOPPED) {
        return true;
    }
    if (!go_on(scene)) {
        return false;
    }
    if (cell->stage == MATRIX_DEVICE) {
        return is_at(scene, timeout_ms);
    }
    if (cell->stage == MATRIX_COMPLETED) {
        return reach_completed(cell, scene, timeout_ms);
    }
    if (!await(scene, "completed", timeout_ms) ||
        !vm_tool_wait_stderr(scene->receive, "peer: RUN", timeout_ms, NULL)) {
        return false;
    }
    if (cell->stage == MATRIX_RUN) {
        return true;
    }
    return model_scene_say(scene, MODEL_B, "cont", NULL) &&
           (cell->stage == MATRIX_POSTCOPY ||
            vm_tool_wait_stderr(scene->receive, "stage settle", timeout_ms,
                                NULL));
}

/* As libvirt: who ran when it began and was handed over is started there, and
 * here if there is nobody any more. */
static void
start_guest(ModelScene *scene)
{
    g_autofree char *there = model_scene_state(scene, MODEL_B);
    g_autofree char *here = model_scene_state(scene, MODEL_A);
    if (!scene->starts) {
        return;
    }
    if (g_str_equal(there, "paused") &&
        !model_scene_say(scene, MODEL_B, "cont", NULL)) {
        g_free(there);
        there = g_strdup("gone"); /* just so */
    }
    if (g_str_equal(there, "gone") && g_str_equal(here, "postmigrate")) {
        model_scene_say(scene, MODEL_A, "cont", NULL);
    }
}

void
matrix_driver_finish(const MatrixCell *cell, ModelScene *scene, int timeout_ms)
{
    if (cell->stage >= MATRIX_POSTCOPY ||
        (cell->stage > MATRIX_WAIT && cell->stage < MATRIX_ACTIVE)) {
        return;
    }
    if (cell->stage <= MATRIX_WAIT) {
        bool armed = vm_tool_wait_stderr(
            scene->send, "QEMU's migration can be started", timeout_ms, NULL);
        if (!armed || !begin(scene)) {
            return;
        }
    }
    if (cell->stage <= MATRIX_STOPPED) {
        if (!await(scene, "pre-switchover", timeout_ms) || !go_on(scene)) {
            return;
        }
    }
    /* It takes its time to find out, more than --link-timeout. */
    if (cell->stage == MATRIX_COMPLETED && cell->change == MATRIX_A_GONE) {
        g_usleep(FIND_OUT_US);
    }
    if (cell->stage >= MATRIX_COMPLETED ||
        await(scene, "completed", timeout_ms)) {
        start_guest(scene);
    }
}

void
matrix_driver_kill(VmTool *tool)
{
    if (tool) {
        vm_child_kill(vm_tool_child(tool), SIGKILL);
        vm_child_wait(vm_tool_child(tool), STOP_MS * 5, NULL);
    }
}

static bool
was_killed(VmTool *tool)
{
    int status = 0;
    return tool && vm_child_has_ended(vm_tool_child(tool), &status) &&
           WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static void
start_successors(const MatrixCell *cell, ModelScene *scene)
{
    const char *resume[] = {"--resume", NULL};
    bool send = was_killed(scene->send), receive = was_killed(scene->receive);
    if (send) {
        model_scene_send(scene, resume);
    }
    if (receive) {
        model_scene_receive(scene, resume);
    }
}

/* Nobody is left who could tell the sender that the guest has crashed: that is
 * for the operator (docs/failure.md). */
static void
give_up(const MatrixCell *cell, ModelScene *scene)
{
    if (cell->kind != MATRIX_RESUME || cell->change != MATRIX_B_GONE ||
        cell->stage < MATRIX_RUN) {
        return;
    }
    const char *words[] = {"--give-up", NULL};
    matrix_driver_kill(scene->send);
    model_scene_send(scene, words);
}

/* B's owner ends it once the sender has given up: the guest stayed, or died
 * with its QEMU. */
static void
end_what_is_not_needed(const MatrixCell *cell, ModelScene *scene)
{
    g_autofree char *here = model_scene_state(scene, MODEL_A);
    g_autofree char *there = model_scene_state(scene, MODEL_B);
    bool died = g_str_equal(here, "gone") && g_str_equal(there, "inmigrate");
    bool stayed = !g_str_equal(here, "postmigrate") &&
                  !g_str_equal(here, "gone") && !g_str_equal(here, "silent");
    if (cell->kind == MATRIX_FOLLOW && scene->send &&
        vm_child_has_ended(vm_tool_child(scene->send), NULL) &&
        (died || stayed) && scene->sides[MODEL_B].hand) {
        model_scene_end_qemu(scene, MODEL_B);
    }
}

static bool
has_ended(VmTool *tool)
{
    return !tool || vm_child_has_ended(vm_tool_child(tool), NULL);
}

static void
stop(ModelScene *scene, VmTool *tool, const char *name, bool complain)
{
    if (has_ended(tool)) {
        return;
    }
    vm_child_kill(vm_tool_child(tool), SIGINT);
    bool ended = vm_child_wait(vm_tool_child(tool), STOP_MS, NULL);
    if (complain || !ended) {
        g_autofree char *said = vm_tool_stderr(tool);
        gsize bytes = strlen(said);
        model_scene_complain(scene, "%s did not end%s: ...%s", name,
                             ended ? "" : ", and not at SIGINT either",
                             said + (bytes > 600 ? bytes - 600 : 0));
    }
    vm_child_kill(vm_tool_child(tool), SIGKILL);
    vm_child_wait(vm_tool_child(tool), STOP_MS, NULL);
}

void
matrix_driver_end(MatrixCell *cell, ModelScene *scene)
{
    uint64_t deadline = fd_deadline_ns(END_MS);
    uint64_t patience = fd_deadline_ns(PATIENCE_MS);
    bool finished = false;
    start_successors(cell, scene);
    give_up(cell, scene);
    while ((!has_ended(scene->send) || !has_ended(scene->receive)) &&
           fd_now_ns() < deadline) {
        end_what_is_not_needed(cell, scene);
        if (!finished && fd_now_ns() > patience) {
            matrix_change_finish(cell, scene);
            finished = true;
        }
        g_usleep(LOOK_US);
    }
    if (!finished) {
        matrix_change_finish(cell, scene);
    }
    stop(scene, scene->send, "send", true);
    stop(scene, scene->receive, "receive", true);
    /* They had nothing to do here. */
    stop(scene, scene->send2, "the other send", false);
    stop(scene, scene->receive2, "the other receive", false);
}
