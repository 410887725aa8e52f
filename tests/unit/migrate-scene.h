/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * A migration of RAM without QEMU: a source file with known contents, an
 * empty destination file, and a victim process that maps the latter, whose
 * userfaultfd we hold, and whose threads touch every page in random order,
 * compare it with the source and scribble on some.
 */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "migrate/pages/migrate-pages.h"
#include "migrate/ram/migrate-ram.h"
#include "uffd/uffd-regions.h"

#define SCENE_BLOCKS 2
#define SCENE_TOUCHERS 2

typedef enum { SCENE_SMALL, SCENE_LAID, SCENE_MIXED } SceneKind;

typedef struct {
    MigrateRam *source, *destination;
    pid_t child;
    int talk; /* to the child */
    int uffd;
    UffdRegions *regions;
    MigrateAlarm alarm;
    MigratePages *pages;
    MigrateTally tally;
} Scene;

/* False if the kernel does not let us: the test has been skipped. Call it
 * while no other thread lives: it forks. */
bool scene_init(Scene *scene, SceneKind kind, unsigned seed);

/* The victim begins to touch its memory. */
void scene_go(Scene *scene);

/* Marks what is a hole at the source, as a real destination does. */
void scene_mark_holes(Scene *scene);

/* True once every page is PRESENT, false after SECONDS. */
bool scene_wait_complete(Scene *scene, unsigned seconds);

/* True once the victim has touched all of its memory, false after SECONDS. */
bool scene_wait_touched(Scene *scene, unsigned seconds);

/* Pages in STATE. */
uint64_t scene_count(Scene *scene, unsigned state);

/* Waits for the victim's verdict and compares the files; all threads that
 * work on the scene must have been stopped. */
void scene_check(Scene *scene);

/* Frees all; the victim is ended if it still lives. */
void scene_clear(Scene *scene);
