#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What data/ has for AppArmor and SELinux is understood by their compilers. That
# it allows the right things only a confined host can tell.
set -u
data=$(dirname "$0")/../../data
dir=$(mktemp -d) || exit 99
trap 'rm -rf "$dir"' EXIT
failed=0

verdict() { # STATUS NUMBER WHAT
    [ "$1" -eq 0 ] || { printf 'not ' && failed=1; }
    echo "ok $2 - $3"
}

apparmor() { # FILE: the rules are made to be included in a profile
    {
        echo 'abi <abi/3.0>,'
        echo 'profile postlude-test {'
        cat "$data/$1"
        echo '}'
    } >"$dir/$1" &&
        apparmor_parser --skip-kernel-load --skip-cache "$dir/$1"
}

echo 1..3
apparmor apparmor-libvirt-qemu >&2
verdict $? 1 apparmor-libvirt-qemu
apparmor apparmor-libvirtd >&2
verdict $? 2 apparmor-libvirtd
checkmodule -M -m -o "$dir/postlude.mod" "$data/selinux-postlude.te" >&2
verdict $? 3 selinux-postlude.te
exit $failed
