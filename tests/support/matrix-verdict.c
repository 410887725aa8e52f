/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * How a cell has to end: see matrix-cell.h. Always: one guest, in one place,
 * with all of its memory, as the operator wants it; the exit statuses say where
 * it is; nothing harmful is left in a QEMU that lives, or in the run-time
 * directory; nobody's migration was cancelled but our own. Where it may be, and
 * in which state, depends on what changed, and when.
 */
#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "migrate/core/migrate-report.h"
#include "migrate/core/migrate-rundir.h"
#include "qmp/qmp-message.h"
#include "tests/support/matrix-cell.h"

enum { AT_A = 1, AT_B = 2, AT_C = 4, NOWHERE = 8 };
enum { RUNS = 1, PAUSED = 2, PANICKED = 4, SHUT_DOWN = 8 };

typedef struct {
    unsigned places, states;
} Expected;

static bool
is_started_at_source(const MatrixCell *cell)
{
    return cell->change == MATRIX_CONT_SOURCE ||
           cell->change == MATRIX_CONT_STOP_SOURCE;
}

/* Started on the source when nobody can hinder it: for an instant it runs
 * twice, its memory there is not judged. */
static bool
may_run_twice(const MatrixCell *cell)
{
    return is_started_at_source(cell) && cell->stage >= MATRIX_RUN;
}

/* Killed between "cont" and its answer: the guest goes on at the source, and
 * what it did over there in that instant is gone (docs/failure.md). */
static bool
may_fall_back(const MatrixCell *cell)
{
    return cell->change == MATRIX_B_GONE && cell->stage == MATRIX_POSTCOPY &&
           cell->kind != MATRIX_FOLLOW;
}

/* The guest stands still: nothing in it can happen. */
static bool
stands_still(const MatrixCell *cell)
{
    return cell->stage >= MATRIX_STOPPED && cell->stage <= MATRIX_RUN;
}

static bool
stage_moves(const MatrixCell *cell)
{
    return cell->stage >= MATRIX_ACTIVE && cell->stage <= MATRIX_RUN;
}

const char *
matrix_cell_why_not(const MatrixCell *cell)
{
    bool follow = cell->kind == MATRIX_FOLLOW;
    if (follow && cell->stage == MATRIX_START) {
        return "the driver says \"migrate\": that is stage wait";
    }
    if (cell->kind == MATRIX_RESUME && cell->stage < MATRIX_START) {
        return "a helper that dies before the switchover leaves nothing to "
               "resume: that is 'sender-gone' of kind own";
    }
    if (stands_still(cell) && (cell->change == MATRIX_PANIC ||
                               cell->change == MATRIX_POWEROFF)) {
        return "the guest stands still";
    }
    if (is_started_at_source(cell) && cell->stage < MATRIX_COMPLETED) {
        return "the guest is still on the source: that is 'cont'";
    }
    if (cell->change == MATRIX_CONT && cell->stage == MATRIX_COMPLETED) {
        return "that is 'cont-on-the-source'";
    }
    if (follow && (is_started_at_source(cell) ||
                   (stage_moves(cell) && (cell->change == MATRIX_STOP ||
                                          cell->change == MATRIX_CONT)))) {
        return "whoever drives QEMU decides who runs the guest";
    }
    if (is_started_at_source(cell) && cell->stage == MATRIX_SETTLE) {
        return "the sender has done its work: nobody of ours is left to see it";
    }
    if (cell->kind == MATRIX_RESUME && (cell->change == MATRIX_SENDER_GONE ||
                                        cell->change ==
                                            MATRIX_RECEIVER_GONE) &&
        cell->stage >= MATRIX_RUN) {
        return "both helpers are gone anyway: that is 'nothing'";
    }
    if (cell->change == MATRIX_RECEIVER_GONE &&
        (cell->stage == MATRIX_INSPECT_A || cell->stage == MATRIX_CONNECT)) {
        return "there is no receiver yet";
    }
    if (cell->change == MATRIX_DEVICE_ADD &&
        cell->stage == MATRIX_COMPLETED) {
        return "the guest has left its QEMU, and is not in the other";
    }
    return NULL;
}

static Expected
expect_run_state(const MatrixCell *cell)
{
    bool early = cell->stage < MATRIX_RUN;
    unsigned state = cell->change == MATRIX_STOP       ? PAUSED
                     : cell->change == MATRIX_PANIC    ? PANICKED
                     : cell->change == MATRIX_POWEROFF ? SHUT_DOWN
                                                       : RUNS;
    if (is_started_at_source(cell)) {
        bool stopped = early && cell->change == MATRIX_CONT_STOP_SOURCE;
        return (Expected){early ? AT_A : AT_B, stopped ? PAUSED : RUNS};
    }
    if (cell->change == MATRIX_STOP && stands_still(cell)) {
        state = PAUSED | RUNS; /* QEMU itself may forget it */
    }
    if (cell->change == MATRIX_STOP && cell->kind == MATRIX_RESUME &&
        cell->stage == MATRIX_POSTCOPY) {
        /* The receiver died before it could record that the guest runs: its
         * successor finds a paused guest, and starts it (docs/failure.md). */
        state = PAUSED | RUNS;
    }
    return (Expected){early ? AT_A | AT_B : AT_B, state};
}

static Expected
expect_native(const MatrixCell *cell)
{
    if (!cell->carried) {
        return (Expected){cell->kind == MATRIX_RESUME ? AT_A | AT_B : AT_B,
                          RUNS};
    }
    return (Expected){AT_A | AT_B | AT_C, RUNS};
}

static Expected
expect_gone(const MatrixCell *cell)
{
    bool early = cell->stage < MATRIX_RUN;
    if (cell->change == MATRIX_A_GONE) {
        bool loaded = cell->stage == MATRIX_COMPLETED;
        bool there = !early || (loaded && cell->kind == MATRIX_FOLLOW);
        return (Expected){there    ? AT_B
                          : loaded ? NOWHERE | AT_B
                                   : NOWHERE,
                          RUNS};
    }
    if (cell->change == MATRIX_B_GONE) {
        bool ran = cell->stage > MATRIX_RUN ||
                   (cell->kind == MATRIX_RESUME && !early);
        return (Expected){may_fall_back(cell) ? NOWHERE | AT_A
                          : ran               ? NOWHERE
                                              : AT_A,
                          RUNS};
    }
    return (Expected){early ? AT_A | AT_B : AT_B, RUNS};
}

static bool
other_came_first(const MatrixCell *cell)
{
    return cell->stage == MATRIX_INSPECT_A || cell->stage == MATRIX_CONNECT;
}

static Expected
expect(const MatrixCell *cell)
{
    bool early = cell->stage < MATRIX_RUN;
    unsigned usual = cell->kind == MATRIX_RESUME && early ? AT_A : AT_B;
    switch (cell->change) {
    case MATRIX_STOP:
    case MATRIX_CONT:
    case MATRIX_CONT_SOURCE:
    case MATRIX_CONT_STOP_SOURCE:
    case MATRIX_PANIC:
    case MATRIX_POWEROFF:
        return expect_run_state(cell);
    case MATRIX_RAM:
        return (Expected){early && cell->carried ? AT_A | AT_B : usual, RUNS};
    case MATRIX_DEVICE_ADD:
        return (Expected){early && cell->carried ? AT_A : usual, RUNS};
    case MATRIX_CAPABILITY_A:
    case MATRIX_CAPABILITY_B:
        return (Expected){early ? AT_A | AT_B : AT_B, RUNS};
    case MATRIX_NATIVE:
    case MATRIX_NATIVE_ACTIVE:
        return expect_native(cell);
    case MATRIX_A_GONE:
    case MATRIX_B_GONE:
    case MATRIX_SENDER_GONE:
    case MATRIX_RECEIVER_GONE:
        return expect_gone(cell);
    case MATRIX_RECEIVE:
        /* Who comes first has it. */
        return (Expected){other_came_first(cell) ? AT_A : usual, RUNS};
    default:
        return (Expected){usual, RUNS};
    }
}

static unsigned
place_of(char *const *states, ModelScene *scene)
{
    for (unsigned side = 0; side < MODEL_QEMUS; side++) {
        if (g_str_equal(states[side], "running")) {
            return side;
        }
    }
    if (!g_str_equal(states[MODEL_A], "postmigrate") &&
        !g_str_equal(states[MODEL_A], "gone")) {
        return MODEL_A;
    }
    if (g_str_equal(states[MODEL_A], "gone") &&
        g_str_equal(states[MODEL_B], "paused") && !scene->board->ran[MODEL_B]) {
        return MODEL_QEMUS; /* it came, and was never started */
    }
    for (unsigned side = MODEL_B; side < MODEL_QEMUS; side++) {
        g_autofree char *migration = model_scene_migration(scene, side);
        if (g_str_equal(migration, "completed")) {
            return side;
        }
    }
    return MODEL_QEMUS;
}

static unsigned
class_of(const char *state)
{
    return g_str_equal(state, "running")          ? RUNS
           : g_str_equal(state, "paused")         ? PAUSED
           : g_str_equal(state, "guest-panicked") ? PANICKED
           : g_str_equal(state, "shutdown")       ? SHUT_DOWN
                                                  : 0;
}

static void
judge_memory(ModelScene *scene, unsigned place, bool runs)
{
    g_autoptr(JsonNode) scan =
        model_scene_ask(scene, place, "x-model-scan", NULL, NULL);
    gint64 lost = -1;
    if (!scan || !qmp_message_int(scan, NULL, &lost) || lost != 0) {
        model_scene_complain(scene, "%" G_GINT64_FORMAT " pages of the guest "
                             "are lost (-1: it does not answer)", lost);
    }
    uint64_t before = scene->board->ticks;
    for (int i = 0; runs && i < 1000 && scene->board->ticks == before; i++) {
        g_usleep(1000);
    }
    if (runs && scene->board->ticks == before) {
        model_scene_complain(scene, "the guest runs but does not move");
    }
}

static void
judge_place(const MatrixCell *cell, ModelScene *scene, unsigned *place)
{
    Expected expected = expect(cell);
    g_auto(GStrv) states = g_new0(char *, MODEL_QEMUS + 1);
    for (unsigned side = 0; side < MODEL_QEMUS; side++) {
        states[side] = model_scene_state(scene, side);
    }
    *place = place_of(states, scene);
    bool nowhere = *place == MODEL_QEMUS;
    if (!(expected.places & (1u << *place)) ||
        (!nowhere && !(expected.states & class_of(states[*place])))) {
        model_scene_complain(scene, "the guest is %s (A %s, B %s, C %s), "
                             "expected places %x, states %x",
                             nowhere ? "nowhere" : states[*place], states[0],
                             states[1], states[2], expected.places,
                             expected.states);
    }
    if (!nowhere && !may_run_twice(cell) && !may_fall_back(cell)) {
        judge_memory(scene, *place, g_str_equal(states[*place], "running"));
    }
}

static void
judge_board(const MatrixCell *cell, ModelScene *scene)
{
    if (may_run_twice(cell) || may_fall_back(cell)) {
        return;
    }
    if (scene->board->twice) {
        model_scene_complain(scene, "the guest ran twice");
    }
    if (scene->board->wrong) {
        model_scene_complain(scene, "the guest read %" G_GUINT64_FORMAT
                             " wrong words", scene->board->wrong);
    }
    for (unsigned i = 0; i < MODEL_QEMUS; i++) {
        if (scene->board->misloaded[i] && scene->board->ran[i]) {
            model_scene_complain(scene, "QEMU %c runs the guest with devices "
                                 "that found wrong words in its memory",
                                 'A' + i);
        }
    }
    /* --follow ends what would move the guest without its memory. */
    if (scene->board->strangers && cell->kind != MATRIX_FOLLOW) {
        model_scene_complain(scene, "a stranger's migration was cancelled");
    }
}

/* What nobody could hinder is said. */
static void
judge_words(const MatrixCell *cell, ModelScene *scene)
{
    g_autofree char *said = may_run_twice(cell) && cell->carried && scene->send
                                ? vm_tool_stderr(scene->send)
                                : NULL;
    if (said && !strstr(said, MIGRATE_REPORT_RAN_TWICE)) {
        model_scene_complain(scene, "the sender does not say that the guest "
                                    "was started on both hosts");
    }
}

/* A guest that is at the source is not to be started anew. */
static void
judge_farewell(ModelScene *scene, unsigned place)
{
    g_autofree char *said = place == MODEL_A && scene->receive
                                ? vm_tool_stderr(scene->receive)
                                : NULL;
    if (said && strstr(said, "start it anew")) {
        model_scene_complain(scene, "the receiver calls a guest dead that is "
                                    "at the source");
    }
}

static void
judge_qemu(ModelScene *scene, unsigned side)
{
    g_autoptr(JsonNode) all = model_scene_ask(
        scene, side, "query-migrate-capabilities", NULL, NULL);
    JsonArray *entries = all ? qmp_message_array(all, NULL) : NULL;
    for (guint i = 0; entries && i < json_array_get_length(entries); i++) {
        JsonNode *entry = json_array_get_element(entries, i);
        bool on = false;
        if (g_strcmp0(qmp_message_string(entry, "capability"),
                      "x-ignore-shared") == 0 &&
            qmp_message_bool(entry, "state", &on) && on) {
            model_scene_complain(scene, "x-ignore-shared is left on in QEMU "
                                 "%c", 'A' + side);
        }
    }
}

static bool
is_of(ModelScene *scene, const char *name)
{
    for (unsigned side = 0; side < MODEL_QEMUS; side++) {
        if (model_scene_is_gone(scene, side)) {
            continue;
        }
        g_autofree char *mark = g_strdup_printf(
            "-%d-", (int)vm_child_pid(scene->sides[side].child));
        if (strstr(name, mark)) {
            return true;
        }
    }
    return false;
}

static char *
find_file(ModelScene *scene)
{
    g_autofree char *path = migrate_rundir_path();
    g_autoptr(GDir) directory = g_dir_open(path, 0, NULL);
    const char *name;
    while (directory && (name = g_dir_read_name(directory))) {
        if (is_of(scene, name)) {
            return g_build_filename(path, name, NULL);
        }
    }
    return NULL;
}

/* A keeper needs a moment to see that it is not needed. */
static void
judge_files(ModelScene *scene)
{
    g_autofree char *left = find_file(scene);
    for (int i = 0; left && i < 600; i++) {
        g_usleep(5000);
        g_free(left);
        left = find_file(scene);
    }
    if (left) {
        model_scene_complain(scene, "%s is left behind", left);
    }
}

static void
judge_exit(ModelScene *scene, VmTool *tool, const char *name, bool moved)
{
    int status = 0;
    if (!tool || !vm_child_has_ended(vm_tool_child(tool), &status)) {
        return;
    }
    /* What the test itself sends may meet one that is just starting or ending. */
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL &&
        WTERMSIG(status) != SIGINT) {
        model_scene_complain(scene, "%s crashed: signal %d", name,
                             WTERMSIG(status));
    }
    if (WIFEXITED(status) && (WEXITSTATUS(status) == 0) != moved) {
        model_scene_complain(scene, "%s ended with %d, but the guest is %s",
                             name, WEXITSTATUS(status),
                             moved ? "on the destination"
                                   : "not on the destination");
    }
}

void
matrix_verdict_give(const MatrixCell *cell, ModelScene *scene)
{
    unsigned place;
    judge_place(cell, scene, &place);
    judge_board(cell, scene);
    judge_words(cell, scene);
    judge_farewell(scene, place);
    /* Once all was there it had moved, whatever is killed then, and who resumes
     * finds nothing to do; where it is given up, that went well. */
    bool killed = cell->kind == MATRIX_RESUME || cell->change == MATRIX_B_GONE ||
                  cell->change == MATRIX_SENDER_GONE ||
                  cell->change == MATRIX_RECEIVER_GONE;
    bool given_up = cell->kind == MATRIX_RESUME &&
                    cell->change == MATRIX_B_GONE && cell->stage >= MATRIX_RUN;
    /* Nothing holds this one up: all may be there before it is killed. */
    bool late = cell->stage == MATRIX_SETTLE ||
                (cell->kind == MATRIX_FOLLOW && cell->stage == MATRIX_POSTCOPY);
    if (!(late && killed) && !given_up) {
        judge_exit(scene, scene->send, "send", place == MODEL_B);
        judge_exit(scene, scene->receive, "receive", place == MODEL_B);
    }
    if (scene->send2) {
        judge_exit(scene, scene->send2, "the other send", place == MODEL_C);
    }
    if (cell->change == MATRIX_RECEIVE && scene->receive2) {
        judge_exit(scene, scene->receive2, "the other receive", false);
    }
    for (unsigned side = 0; side < MODEL_QEMUS; side++) {
        judge_qemu(scene, side);
    }
    judge_files(scene);
}
