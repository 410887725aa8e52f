/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * The machine of a model of QEMU: see model-machine.h.
 */
#include "tests/support/model-machine.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define EXTENT ((uint64_t)2 << 20)
#define PAUSE_US 100

static uint64_t
mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    return x ^ (x >> 27);
}

uint64_t *
model_machine_page(ModelMachine *machine, uint64_t page)
{
    for (guint i = 0; i < machine->blocks->len; i++) {
        ModelBlock *block = &g_array_index(machine->blocks, ModelBlock, i);
        uint64_t pages = block->bytes / MODEL_PAGE_BYTES;
        if (page < pages) {
            return (uint64_t *)(void *)(block->view +
                                        page * MODEL_PAGE_BYTES);
        }
        page -= pages;
    }
    return NULL;
}

/* A page that this machine does not have, but the guest has, counts as lost. */
static bool
is_right(ModelMachine *machine, uint64_t page)
{
    const uint64_t *word = model_machine_page(machine, page);
    return word && __atomic_load_n(word, __ATOMIC_RELAXED) ==
                       machine->board->stamp[page];
}

/* The lock may be held for long: a page may have to come from far away. */
static void
tick(ModelMachine *machine)
{
    ModelBoard *board = machine->board;
    uint64_t page = mix(machine->rounds++) % machine->guest_pages;
    if (!is_right(machine, page)) {
        __atomic_add_fetch(&board->wrong, 1, __ATOMIC_SEQ_CST);
        return;
    }
    uint64_t word = __atomic_add_fetch(&board->ticks, 1, __ATOMIC_SEQ_CST);
    uint64_t *at = model_machine_page(machine, page);
    __atomic_store_n(at, word, __ATOMIC_RELAXED);
    board->stamp[page] = word;
}

static gpointer
live(gpointer data)
{
    ModelMachine *machine = data;
    for (;;) {
        g_mutex_lock(&machine->lock);
        while (!machine->runs) {
            g_cond_wait(&machine->may_run, &machine->lock);
        }
        tick(machine);
        g_mutex_unlock(&machine->lock);
        g_usleep(PAUSE_US);
    }
    return NULL;
}

static void
note_runs(ModelMachine *machine, bool runs)
{
    ModelBoard *board = machine->board;
    __atomic_store_n(&board->runs[machine->slot], runs, __ATOMIC_SEQ_CST);
    board->ran[machine->slot] |= runs;
    for (unsigned i = 0; runs && i < MODEL_SLOTS; i++) {
        if (i != machine->slot &&
            __atomic_load_n(&board->runs[i], __ATOMIC_SEQ_CST)) {
            board->twice = 1;
        }
    }
}

void
model_machine_init(ModelMachine *machine, ModelBoard *board, unsigned slot,
                   bool incoming)
{
    machine->board = board;
    machine->slot = slot;
    machine->state = incoming ? "inmigrate" : "prelaunch";
    machine->autostart = true;
    machine->blocks = g_array_new(false, true, sizeof(ModelBlock));
    machine->devices = g_array_new(false, true, sizeof(ModelDevice));
    g_mutex_init(&machine->lock);
    g_cond_init(&machine->may_run);
    g_thread_unref(g_thread_new("guest", live, machine));
}

/* At a multiple of 2 MiB, as align=2M has it. */
static uint8_t *
map_aligned(int fd, uint64_t bytes)
{
    uint8_t *room = mmap(NULL, bytes + EXTENT, PROT_NONE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uint8_t *at = (uint8_t *)(((uintptr_t)room + EXTENT - 1) & -EXTENT);
    return mmap(at, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd,
                0);
}

/* QEMU makes and unlinks such a file, and keeps it open. */
bool
model_machine_add_ram(ModelMachine *machine, const char *name, uint64_t bytes)
{
    g_autofree char *path =
        g_strdup_printf("/dev/shm/qemu_back_mem.%s.XXXXXX", name);
    int fd = mkstemp(path);
    if (fd < 0) {
        return false;
    }
    unlink(path);
    if (ftruncate(fd, (off_t)bytes) < 0) {
        return false;
    }
    ModelBlock block = {.name = g_strdup(name),
                        .path = g_strdup("/dev/shm"),
                        .view = map_aligned(fd, bytes),
                        .bytes = bytes};
    g_array_append_val(machine->blocks, block);
    return block.view != MAP_FAILED;
}

void
model_machine_add_device(ModelMachine *machine, const char *id,
                         const char *type)
{
    ModelDevice device = {.id = g_strdup(id), .type = g_strdup(type)};
    g_array_append_val(machine->devices, device);
}

bool
model_machine_remove_device(ModelMachine *machine, const char *id)
{
    for (guint i = 0; i < machine->devices->len; i++) {
        if (g_str_equal(g_array_index(machine->devices, ModelDevice, i).id,
                        id)) {
            g_array_remove_index(machine->devices, i);
            return true;
        }
    }
    return false;
}

static uint64_t
count_pages(const ModelMachine *machine)
{
    uint64_t pages = 0;
    for (guint i = 0; i < machine->blocks->len; i++) {
        pages += g_array_index(machine->blocks, ModelBlock, i).bytes /
                 MODEL_PAGE_BYTES;
    }
    return MIN(pages, MODEL_PAGES);
}

void
model_machine_boot(ModelMachine *machine)
{
    g_mutex_lock(&machine->lock);
    uint64_t first = machine->guest_pages;
    machine->guest_pages = count_pages(machine);
    uint64_t end = first + (machine->guest_pages - first) / 4 * 3;
    for (uint64_t page = first; page < end; page++) {
        uint64_t word = mix(page) | 1;
        *model_machine_page(machine, page) = word;
        machine->board->stamp[page] = word;
    }
    g_mutex_unlock(&machine->lock);
}

void
model_machine_run(ModelMachine *machine)
{
    machine->state = "running";
    note_runs(machine, true);
    g_mutex_lock(&machine->lock);
    machine->runs = true;
    g_cond_signal(&machine->may_run);
    g_mutex_unlock(&machine->lock);
}

void
model_machine_halt(ModelMachine *machine, const char *state)
{
    g_mutex_lock(&machine->lock);
    machine->runs = false;
    g_mutex_unlock(&machine->lock);
    note_runs(machine, false);
    machine->state = state;
}

void
model_machine_touch(ModelMachine *machine)
{
    if (!is_right(machine, machine->guest_pages / 2)) {
        machine->board->misloaded[machine->slot] = 1;
    }
}

uint64_t
model_machine_scan(ModelMachine *machine)
{
    uint64_t wrong = 0;
    g_mutex_lock(&machine->lock);
    for (uint64_t page = 0; page < machine->guest_pages; page++) {
        wrong += !is_right(machine, page);
    }
    g_mutex_unlock(&machine->lock);
    return wrong;
}
