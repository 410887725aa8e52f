#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Makes the Linux test guest in the tests' cache: Debian's cloud kernel, which
# is downloaded and unpacked but not installed, and an initramfs of busybox,
# ./init and the modules a balloon needs. Prints the directory. The kernel is
# kept; the initramfs is made anew when ./init or the kernel is newer. Takes some
# seconds the first time.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../support/cache.sh"

out=$(test_cache)/linux
busybox=$(command -v busybox) || die "install busybox-static"
case $(file -Lb "$busybox" 2>/dev/null || echo unknown) in
*dynamically*) die "$busybox is not static: install busybox-static" ;;
esac
mkdir -p "$out"
work=$(mktemp -d "$out/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

get_kernel() {
    package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
        sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
    [ -n "$package" ] ||
        die "apt knows no linux-image-cloud-amd64: run apt-get update"
    say "downloading $package"
    # As root, apt drops to a user that must be able to write here.
    chmod 777 "$work"
    (cd "$work" && apt-get -qq download "$package") >&2 ||
        die "cannot download $package (no network?)"
    dpkg-deb -x "$work"/linux-image-*.deb "$work/root"
    cp "$work"/root/boot/vmlinuz-* "$work/vmlinuz"
    mkdir "$work/modules"
    cp "$work"/root/lib/modules/*/kernel/drivers/virtio/virtio*.ko "$work/modules"
    rm -rf "$out/modules"
    echo "$package" >"$out/package"
    mv "$work/vmlinuz" "$out/vmlinuz"
    mv "$work/modules" "$out/modules"
}

build_initramfs() {
    mkdir -p "$work/fs/bin" "$work/fs/proc" "$work/fs/dev" "$work/fs/ram"
    cp "$busybox" "$work/fs/bin/busybox"
    ln -s busybox "$work/fs/bin/sh"
    cp -r "$out/modules" "$work/fs/modules"
    cp "$here/init" "$work/fs/init"
    chmod 755 "$work/fs/init"
    (cd "$work/fs" && find . | "$busybox" cpio -o -H newc 2>/dev/null) |
        gzip -9 >"$work/initramfs.gz"
    mv "$work/initramfs.gz" "$out/initramfs.gz"
}

# The modules come last: with them all of it is there, and of one version.
if [ ! -s "$out/vmlinuz" ] || [ ! -d "$out/modules" ]; then
    get_kernel
fi
if [ ! -s "$out/initramfs.gz" ] || [ "$here/init" -nt "$out/initramfs.gz" ] ||
    [ "$out/modules" -nt "$out/initramfs.gz" ]; then
    build_initramfs
fi
echo "$out"
