/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * libvirt's hook on a host made of one directory: a QEMU that is none, a
 * program in the place of postlude that notes how it was called, and whatever is
 * run as the hook, with the domain's XML on stdin. A GTest fixture; main thread
 * only.
 */
#pragma once

#include <gio/gio.h>
#include <sys/types.h>

#include "libvirt/libvirt-metadata.h"

#define HOOK_SCENE_TOKEN "00112233445566778899aabbccddeeff"

/* What a domain says of ours whose memory is to be received. */
#define HOOK_SCENE_RECEIVE                                                    \
    "<p:guest xmlns:p='" LIBVIRT_METADATA_URI "'><p:receive "                 \
    "address='10.0.0.1:4711' token='" HOOK_SCENE_TOKEN "'/></p:guest>"

typedef struct {
    char *directory, *called, *program, *script, *hook, *printed, *said;
    const char *name; /* of the domain */
    GSubprocess *qemu;
} HookScene;

/* DATA: what QEMU was started with; NULL: "-incoming". */
void hook_scene_set_up(HookScene *scene, gconstpointer data);
void hook_scene_tear_down(HookScene *scene, gconstpointer data);

#define HOOK_SCENE_ADD(name, argument, function)                              \
    g_test_add("/hook/" name, HookScene, argument, hook_scene_set_up,         \
               function, hook_scene_tear_down)

/* A file in the directory. */
void hook_scene_put(const HookScene *scene, const char *name, const char *text,
                    int mode);

/* A domain's XML with METADATA in <metadata> and a second monitor; owned. */
char *hook_scene_domain(const char *metadata);

/* Runs PATH for OPERATION "begin". Its exit status; *PRINTED (may be NULL) is
 * stdout, *SAID stderr, both owned. */
int hook_scene_run(const HookScene *scene, const char *path,
                   const char *operation, const char *xml, char **printed,
                   char **said);
