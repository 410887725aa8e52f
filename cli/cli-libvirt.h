/* SPDX-License-Identifier: GPL-2.0-or-later
 *
 * Two programs: 'postlude' itself, and 'postlude-libvirt' with the verbs that
 * talk to libvirt. libvirt's library takes 25 ms to load, which the hook that
 * every start of every domain waits for does not have, and hosts without
 * libvirt need not install it.
 */
#pragma once

#include <stdbool.h>

/* In postlude: runs this verb in postlude-libvirt, in this process. Returns an
 * exit status only if there is no such program. */
int cli_libvirt_run(int argc, char **argv);

bool cli_libvirt_is_there(void);

/* In postlude-libvirt: the path of postlude, owned by the caller. */
char *cli_libvirt_postlude(void);
