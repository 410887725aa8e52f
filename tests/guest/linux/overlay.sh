#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# overlay.sh BASE OUT INIT PROGRAM...: an initramfs for the Linux test guest
# (BASE, see build.sh) in which INIT is process 1 and the PROGRAMs are in
# /programs, with the libraries they need.
set -eu
base=$1 out=$2 init=$3
shift 3
work=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

fs=$work/fs
mkdir -p "$fs/sys" "$fs/tmp" "$fs/mnt" "$fs/programs"
cp "$init" "$fs/init"
chmod 755 "$fs/init"
for program; do
    cp "$program" "$fs/programs/"
    # With the loader, each where it is here.
    ldd "$program" | grep -o '/[^ ]*' | while read -r library; do
        mkdir -p "$fs$(dirname "$library")"
        cp -L "$library" "$fs$library"
    done
done
(cd "$fs" && find . | busybox cpio -o -H newc 2>/dev/null) | gzip -1 >"$work/more.gz"
# The kernel unpacks one archive after the other; the later init wins.
cat "$base" "$work/more.gz" >"$out"
