#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makes a Debian 13 root with QEMU 10 in $POSTLUDE_QEMU10_ROOT (default
# /opt/postlude-trixie), for the tests that move guests with it. Nothing is
# installed on this host; nothing is run in the root but its own package
# set-up. Does nothing if it is already there. Takes about 40 s and 900 MB.
set -eu
. "$(dirname "$0")/cache.sh"

root=${POSTLUDE_QEMU10_ROOT:-/opt/postlude-trixie}
if [ -x "$root/usr/bin/qemu-system-x86_64" ]; then
    say "QEMU 10 is in $root"
    exit 0
fi
[ "$(id -u)" = 0 ] || die "debootstrap needs root"
[ "$(dpkg --print-architecture)" = amd64 ] || die "only amd64 hosts are tried"
need debootstrap

# The mirror this host uses itself, which it can certainly reach.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' |
    grep -m1 -E '/debian/?$' || true)
mirror=${mirror:-http://deb.debian.org/debian}

# Beside its place, then renamed: a broken download leaves nothing behind.
work=$root.new.$$
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
say "debootstrap trixie from $mirror into $root"
if ! debootstrap --variant=minbase --include=qemu-system-x86 trixie "$work" \
    "$mirror" >"$work.log" 2>&1; then
    tail -5 "$work.log" >&2
    rm -f "$work.log"
    die "debootstrap failed (no network?)"
fi
rm -f "$work.log"
rm -rf "$work/var/cache/apt/archives" "$work/var/lib/apt/lists"
rm -rf "$root"
mv "$work" "$root"
say "QEMU 10 is in $root"
