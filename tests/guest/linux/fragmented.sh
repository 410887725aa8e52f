#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# fragmented.sh BASE POSTLUDE FRAGMENT OUT: an initramfs for the Linux test
# guest (BASE, see build.sh) in which POSTLUDE sweeps a process on a machine
# whose memory is in pieces. It prints what postlude says, "status N", and ends.
set -eu
base=$1 postlude=$2 fragment=$3 out=$4
work=$(mktemp -d "$out.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

fs=$work/fs
mkdir -p "$fs/sys"
cp "$postlude" "$fs/postlude"
cp "$fragment" "$fs/fragment"
# With the loader, each where it is here.
ldd "$postlude" | grep -o '/[^ ]*' | while read -r library; do
    mkdir -p "$fs$(dirname "$library")"
    cp -L "$library" "$fs$library"
done
cat >"$fs/init" <<'END'
#!/bin/sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t devtmpfs dev /dev
$b mount -t sysfs sys /sys
exec </dev/console >/dev/console 2>&1
echo never >/sys/kernel/mm/transparent_hugepage/enabled
/fragment 96 >/said &
until $b grep -q fragmented /said; do $b sleep 1; done
$b cat /said
$b cat /proc/buddyinfo
/postlude collapse --pid $! --json
status=$?
$b grep AnonHugePages /proc/meminfo
echo "status $status"
$b poweroff -f
END
chmod 755 "$fs/init"
(cd "$fs" && find . | busybox cpio -o -H newc 2>/dev/null) | gzip -1 >"$work/more.gz"
# The kernel unpacks one archive after the other; the later init wins.
cat "$base" "$work/more.gz" >"$out"
