/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Child processes of a VM test, and the scratch directories they work in.
 * Whatever way the test ends (return, exit, failed assertion, SIGTERM from the
 * test runner), the children are killed by pid and reaped and the directories
 * are removed; when it is killed outright, the kernel kills the children.
 * Main thread only: the kernel ties a child to the thread that forked it.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct VmChild VmChild;

typedef struct {
    const char *const *argv;        /* argv[0] is looked up in PATH */
    const char *const *environment; /* NULL-terminated "K=V", added to ours;
                                       or NULL */
    const char *stdout_path;        /* created; NULL: /dev/null */
    const char *stderr_path;
    uid_t uid;                      /* run as this user; 0: as we are */
    gid_t gid;                      /* with UID */
    gid_t extra_gid;                /* one more group with UID, 0: none */
} VmChildOptions;

/* Forks and runs. A program that cannot be executed ends with status 127 and
 * a line in STDERR_PATH. */
VmChild *vm_child_start(const VmChildOptions *options, GError **error);

/* Kills with SIGKILL if it still runs, reaps it. */
void vm_child_free(VmChild *child);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(VmChild, vm_child_free)

pid_t vm_child_pid(const VmChild *child);

/* Sends SIGNAL; nothing happens if it is already reaped. */
void vm_child_kill(VmChild *child, int signal);

/* True if the child has ended by now; *STATUS (may be NULL) as from waitpid.
 * May be asked again. */
bool vm_child_has_ended(VmChild *child, int *status);

/* Waits for the end. False after TIMEOUT_MS; the child then still runs. */
bool vm_child_wait(VmChild *child, int timeout_ms, int *status);

/* From now on what our children leave behind (a process that a helper starts
 * to outlive it) becomes ours, and ends with the test. */
void vm_child_adopt_orphans(void);

/* How many such processes run now. */
unsigned vm_child_count_orphans(void);

/* Kills those that run "postlude VERB", all of them for NULL; how many. */
unsigned vm_child_kill_orphans(const char *verb);

/* A new directory below $TMPDIR, removed with all that is in it by
 * vm_child_remove_directory() or at the end of the test, unless
 * $POSTLUDE_TEST_KEEP is set. Owned by the caller; NULL on error. */
char *vm_child_make_directory(const char *prefix, GError **error);
void vm_child_remove_directory(const char *path);

/* The same with all that lies below it. */
void vm_child_remove_tree(const char *path);

/* Has PATH (a file or a directory) removed at the end of the test, should
 * nobody have done it by then; vm_child_forget() takes that back. */
bool vm_child_remember(const char *path, GError **error);
void vm_child_forget(const char *path);
