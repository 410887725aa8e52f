/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * {stage} x {what changes} x {own, follow, resume}: each cell is a move between
 * two models of QEMU at a stage of which something changes, and ends with one
 * guest that has its memory (tests/support/matrix-cell.h). A cell is a process,
 * and some run beside each other. -p /KIND/STAGE plays one row, and
 * POSTLUDE_MATRIX=KIND/STAGE/CHANGE one cell, with what the helpers said.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "tests/support/matrix-cell.h"

#define WORKERS 5

#define UNREACHED "the stage was not reached"

typedef struct {
    MatrixCell cell;
    pid_t pid; /* 0: none */
    int out;
} Worker;

static char *
name_of(const MatrixCell *cell)
{
    return g_strdup_printf("%s/%s/%s", matrix_kind_names[cell->kind],
                           matrix_stage_names[cell->stage],
                           matrix_change_names[cell->change]);
}

static void
add_log(ModelScene *scene, VmTool *tool, const char *name)
{
    g_autofree char *said = tool ? vm_tool_stderr(tool) : NULL;
    if (said) {
        model_scene_complain(scene, "--- %s:\n%s", name, said);
    }
}

/* The sender's patience was over before the receiver had begun to dial, which
 * happens on a busy host only; where it happens each time, that is told. */
static bool
missed_each_other(ModelScene *scene)
{
    g_autofree char *said = scene->send ? vm_tool_stderr(scene->send) : NULL;
    return said && strstr(said, "gave up waiting for a destination");
}

/* In the child: what is wrong, to OUT. */
static void G_GNUC_NORETURN
play(MatrixCell *cell, int out)
{
    ModelScene scene;
    g_setenv("POSTLUDE_DEBUG", "1", true);
    unsigned version =
        (cell->stage + cell->change) % 2 ? 10 : 7; /* of either some */
    if (model_scene_init(&scene, version)) {
        matrix_cell_play(cell, &scene);
        matrix_verdict_give(cell, &scene);
    }
    if (scene.trouble->len > 0 && missed_each_other(&scene)) {
        g_string_prepend(scene.trouble, UNREACHED ": ");
    }
    if (scene.trouble->len > 0) {
        add_log(&scene, scene.send, "send");
        add_log(&scene, scene.receive, "receive");
        add_log(&scene, scene.send2, "the other send");
        add_log(&scene, scene.receive2, "the other receive");
    }
    fd_write_all(out, scene.trouble->str, scene.trouble->len,
                 fd_deadline_ns(5000), NULL);
    model_scene_clear(&scene);
    exit(0);
}

static void
start(Worker *worker, const MatrixCell *cell)
{
    int ends[2];
    g_assert_no_errno(pipe(ends));
    worker->cell = *cell;
    worker->out = ends[0];
    worker->pid = fork();
    if (worker->pid == 0) {
        close(ends[0]);
        play(&worker->cell, ends[1]);
    }
    close(ends[1]);
}

/* What went wrong in it, "" if nothing did; owned by the caller. */
static GString *
reap(Worker *worker, int *status)
{
    GString *text = g_string_new(NULL);
    char room[4096];
    ssize_t n;
    while ((n = read(worker->out, room, sizeof room)) > 0) {
        g_string_append_len(text, room, n);
    }
    fd_clear(&worker->out);
    waitpid(worker->pid, status, 0);
    worker->pid = 0;
    return text;
}

/* On a busy host the helpers may miss each other: then nothing was tried yet,
 * and it is begun anew. */
static void
take(Worker *worker)
{
    int status = 0;
    g_autoptr(GString) text = reap(worker, &status);
    for (int i = 0; i < 3 && g_str_has_prefix(text->str, UNREACHED); i++) {
        start(worker, &worker->cell);
        g_string_free(text, true);
        text = reap(worker, &status);
    }
    g_autofree char *name = name_of(&worker->cell);
    if (text->len > 0 || status != 0) {
        g_test_message("CELL %s (status %d): %s", name, status, text->str);
        g_test_fail();
    }
}

static bool
is_wanted(const MatrixCell *cell)
{
    const char *wanted = g_getenv("POSTLUDE_MATRIX");
    g_autofree char *name = name_of(cell);
    return !wanted || g_str_equal(wanted, name);
}

static void
test_row(gconstpointer data)
{
    MatrixCell cell = *(const MatrixCell *)data;
    Worker workers[WORKERS] = {0};
    unsigned n = 0;
    for (unsigned c = 0; c < MATRIX_CHANGES; c++) {
        cell.change = c;
        const char *why_not = matrix_cell_why_not(&cell);
        g_autofree char *name = name_of(&cell);
        if (why_not) {
            g_test_message("no cell %s: %s", name, why_not);
        } else if (is_wanted(&cell)) {
            Worker *worker = &workers[n++ % WORKERS];
            if (worker->pid) {
                take(worker);
            }
            start(worker, &cell);
        }
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        if (workers[i].pid) {
            take(&workers[i]);
        }
    }
}

int
main(int argc, char **argv)
{
    static MatrixCell rows[MATRIX_KINDS * MATRIX_STAGES];
    g_test_init(&argc, &argv, NULL);
    g_test_set_nonfatal_assertions();
    if (geteuid() != 0) {
        printf("1..0 # SKIP needs root: ptrace and userfaultfd\n");
        return 77;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        rows[i] = (MatrixCell){.kind = i / MATRIX_STAGES,
                               .stage = i % MATRIX_STAGES};
        g_autofree char *path =
            g_strdup_printf("/%s/%s", matrix_kind_names[rows[i].kind],
                            matrix_stage_names[rows[i].stage]);
        g_test_add_data_func(path, &rows[i], test_row);
    }
    return g_test_run();
}
