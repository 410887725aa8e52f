#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
#   isolated.sh PROGRAM [ARG...]
#
# Runs a test with a network, a /run/postlude and a /dev/shm of its own, so that
# tests may run side by side: none sees another's ports, journals, locks or RAM
# files. What a test that passed has left there makes it fail, and is named.
# Without root the test runs as it is. The kernel frees all of it with the last
# process in it.
set -u
PATH=$PATH:/usr/sbin:/sbin
if [ "$(id -u)" != 0 ] || [ "${POSTLUDE_ISOLATED:-}" = no ]; then
    exec "$@"
fi
if [ "${1:-}" != --inside ]; then
    exec unshare --mount --net --propagation private "$0" --inside "$@"
fi
shift

prepare() {
    ip link set lo up &&
        mkdir -p -m 700 /run/postlude &&
        mount -t tmpfs -o mode=0700,size=16m,nosuid,nodev run /run/postlude &&
        mount -t tmpfs -o mode=1777,size=90%,nosuid,nodev shm /dev/shm
}

left_behind() {
    find /run/postlude /dev/shm -mindepth 1 2>/dev/null
}

if ! prepare; then
    echo "Bail out! the test's own network and directories cannot be made"
    exit 1
fi
"$@"
status=$?
# A helper that was killed on purpose is gone a moment after its test.
left=$(left_behind)
if [ -n "$left" ]; then
    sleep 1
    left=$(left_behind)
fi
if [ -n "$left" ] && [ $status = 0 ]; then
    echo "Bail out! left behind:" $left
    exit 1
fi
exit $status
