/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * What changes in a cell: see matrix-cell.h. The hand says it to the QEMU where
 * the guest is by then, and notes whether it was carried out.
 */
#include <signal.h>
#include <string.h>

#include "base/fd.h"
#include "tests/support/matrix-driver.h"

#define NATIVE_MS 3000
#define BUSY_MS 1000

static unsigned
holder(const MatrixCell *cell)
{
    return cell->stage >= MATRIX_RUN ? MODEL_B : MODEL_A;
}

static void
add_ram(MatrixCell *cell, ModelScene *scene)
{
    static const char dimm[] = "{\"driver\": \"pc-dimm\", \"id\": \"dimm1\"}";
    cell->carried = (holder(cell) == MODEL_B ||
                     model_scene_say(scene, MODEL_A, "device_add", dimm));
    if (cell->carried) {
        model_scene_say(scene, MODEL_B, "device_add", dimm);
    }
}

static void
switch_capabilities(MatrixCell *cell, ModelScene *scene)
{
    bool here = cell->change == MATRIX_CAPABILITY_A;
    cell->carried = model_scene_say(
        scene, here ? MODEL_A : MODEL_B, "migrate-set-capabilities",
        here ? "{\"capabilities\": [{\"capability\": \"x-ignore-shared\", "
               "\"state\": false}, {\"capability\": "
               "\"pause-before-switchover\", \"state\": false}]}"
             : "{\"capabilities\": [{\"capability\": \"x-ignore-shared\", "
               "\"state\": false}]}");
}

static void
end_native(ModelScene *scene)
{
    uint64_t deadline = fd_deadline_ns(NATIVE_MS);
    while (fd_now_ns() < deadline) {
        g_autofree char *now = model_scene_migration(scene, MODEL_A);
        if (g_str_equal(now, "pre-switchover")) {
            model_scene_say(scene, MODEL_A, "migrate-continue",
                            "{\"state\": \"pre-switchover\"}");
        } else if (!g_str_equal(now, "setup") && !g_str_equal(now, "active") &&
                   !g_str_equal(now, "device") &&
                   !g_str_equal(now, "cancelling")) {
            return;
        }
        g_usleep(1000);
    }
    model_scene_complain(scene, "the native migration does not end");
}

static void
move_natively(MatrixCell *cell, ModelScene *scene)
{
    g_autofree char *uri = g_strdup_printf("{\"uri\": \"unix:%s/elsewhere\"}",
                                           scene->directory);
    bool stays = cell->change == MATRIX_NATIVE_ACTIVE;
    if (!model_scene_add_c(scene)) {
        return;
    }
    model_scene_say(scene, MODEL_C, "migrate-incoming", uri);
    if (stays) {
        model_scene_say(scene, MODEL_A, "x-model-hold-status",
                        "{\"status\": \"active\"}");
    }
    cell->carried = model_scene_say(scene, MODEL_A, "migrate", uri);
    if (!cell->carried) {
        return;
    }
    if (!stays) {
        end_native(scene);
    } else {
        model_scene_wait_migration(scene, MODEL_A, "active", NATIVE_MS);
    }
}

static VmTool *
start_other(ModelScene *scene, const char *verb, unsigned side,
            const char *option, const char *address)
{
    g_autofree char *monitor =
        g_strconcat(scene->sides[side].path, side == MODEL_C ? "" : "2", NULL);
    const char *args[] = {"--qmp", monitor, option, address, "--peer-timeout",
                          "2", "--link-timeout", "2", "--no-confine", NULL};
    return vm_tool_start(verb, args, false, NULL);
}

/* It may be refused at once, and then it has ended by the time the first goes
 * on; one that works goes on beside it. */
static void
start_another(MatrixCell *cell, ModelScene *scene)
{
    if (cell->change == MATRIX_SEND) {
        scene->send2 = start_other(scene, "send", MODEL_A, "--listen",
                                   scene->link2);
        if (vm_tool_wait_stderr(scene->send2, "listening on", BUSY_MS, NULL) &&
            model_scene_add_c(scene)) {
            scene->receive2 = start_other(scene, "receive", MODEL_C,
                                          "--connect", scene->link2);
            vm_tool_wait_stderr(scene->send2, "stage settle", BUSY_MS, NULL);
        }
    } else {
        scene->receive2 = start_other(scene, "receive", MODEL_B, "--connect",
                                      scene->link2);
        vm_tool_wait_stderr(scene->receive2, "stage connect", BUSY_MS, NULL);
    }
}

void
matrix_change_do(MatrixCell *cell, ModelScene *scene)
{
    unsigned side = holder(cell);
    switch (cell->change) {
    case MATRIX_STOP:
        cell->carried = model_scene_say(scene, side, "stop", NULL);
        break;
    case MATRIX_CONT:
        cell->carried = model_scene_say(scene, side, "cont", NULL);
        break;
    case MATRIX_CONT_SOURCE:
        cell->carried = model_scene_say(scene, MODEL_A, "cont", NULL);
        break;
    case MATRIX_CONT_STOP_SOURCE:
        cell->carried = model_scene_say(scene, MODEL_A, "cont", NULL) &&
                        model_scene_say(scene, MODEL_A, "stop", NULL);
        break;
    case MATRIX_PANIC:
        cell->carried = model_scene_say(scene, side, "x-model-panic", NULL);
        break;
    case MATRIX_POWEROFF:
        cell->carried = model_scene_say(scene, side, "x-model-poweroff", NULL);
        break;
    case MATRIX_RAM:
        add_ram(cell, scene);
        break;
    case MATRIX_DEVICE_ADD:
        cell->carried = model_scene_say(
            scene, side, "device_add",
            "{\"driver\": \"vfio-pci\", \"id\": \"vfio1\"}");
        break;
    case MATRIX_CAPABILITY_A:
    case MATRIX_CAPABILITY_B:
        switch_capabilities(cell, scene);
        break;
    case MATRIX_NATIVE:
    case MATRIX_NATIVE_ACTIVE:
        move_natively(cell, scene);
        break;
    case MATRIX_SEND:
    case MATRIX_RECEIVE:
        start_another(cell, scene);
        break;
    case MATRIX_A_GONE:
        model_scene_end_qemu(scene, MODEL_A);
        break;
    case MATRIX_B_GONE:
        model_scene_end_qemu(scene, MODEL_B);
        break;
    case MATRIX_SENDER_GONE:
        matrix_driver_kill(scene->send);
        break;
    case MATRIX_RECEIVER_GONE:
        matrix_driver_kill(scene->receive);
        break;
    default:
        break;
    }
}

void
matrix_change_finish(MatrixCell *cell, ModelScene *scene)
{
    if (cell->change == MATRIX_NATIVE_ACTIVE && cell->carried) {
        model_scene_say(scene, MODEL_A, "x-model-go", NULL);
        end_native(scene);
    }
}
