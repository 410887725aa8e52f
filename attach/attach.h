/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Borrow one thread of a running process for one system call at a time, and
 * give it back exactly as it was. That is how a userfaultfd comes to belong to
 * QEMU's address space (it belongs to the one that creates it:
 * fs/userfaultfd.c, new_userfaultfd takes current->mm). Blocking, one thread;
 * the target stands still only while a call is under way.
 */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

/* Creates a userfaultfd inside process PID and returns a copy of it (owned by
 * the caller, O_CLOEXEC, non-blocking) or -1 with ERROR set. *REMOTE_FD is its
 * number inside PID, where it stays open on purpose: when the last copy is
 * closed the kernel drops the registration and the guest would read zeros.
 * Kernel-mode faults are included (KVM, vhost-net), so it needs a privileged
 * target or vm.unprivileged_userfaultfd=1: UNSUPPORTED says so when refused. */
int attach_create_userfaultfd(pid_t pid, int *remote_fd, GError **error);

/* The same for an unprivileged target: DEVICE_FD is the number that an open
 * /dev/userfaultfd has inside PID (QMP add-fd put it there). Linux 6.1. */
int attach_create_userfaultfd_from_device(pid_t pid, int device_fd,
                                          int *remote_fd, GError **error);

/* Takes another copy of descriptor REMOTE_FD of PID (pidfd_getfd, Linux 5.6).
 * -1 with ERROR set on failure; does not stop the target. */
int attach_copy_fd(pid_t pid, int remote_fd, GError **error);

/* Closes REMOTE_FD inside PID, after checking that it still is a userfaultfd
 * there (/proc/PID/fd says anon_inode:[userfaultfd]); STATE if it is not. */
bool attach_close_userfaultfd(pid_t pid, int remote_fd, GError **error);

/* The numbers of all userfaultfds open inside PID: GArray of int. */
GArray *attach_list_userfaultfds(pid_t pid, GError **error);

/* True if we could trace PID now: alive, permitted, not traced by another, of
 * an architecture we know. Otherwise ERROR says which, and the remedy. */
bool attach_check(pid_t pid, GError **error);
