# shellcheck shell=sh disable=SC2016,SC2034,SC2086
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sourced: what a fresh Debian 12 or 13 needs to build Postlude and to test or
# show it, and how it is installed. POSIX sh; needs cache.sh.

BUILD_PACKAGES="gcc libc6-dev linux-libc-dev meson ninja-build pkg-config
libglib2.0-dev libjson-glib-dev libxml2-dev
libgnutls28-dev libcap-dev libseccomp-dev libsystemd-dev"
DEMO_PACKAGES="$BUILD_PACKAGES qemu-system-x86"
LIBVIRT_PACKAGES="$DEMO_PACKAGES libvirt-dev libvirt-daemon
libvirt-daemon-driver-qemu libvirt-clients iproute2"
TEST_PACKAGES="$LIBVIRT_PACKAGES python3 busybox-static debootstrap
clang libclang-rt-dev spin"

# A package may bring a daemon that is wanted in a namespace of a test only:
# Debian asks this file whether it may start it.
APT_INSTALL='
guard=/usr/sbin/policy-rc.d
if [ ! -e $guard ]; then
    trap "rm -f $guard" EXIT
    trap "exit 1" INT TERM HUP
    printf "#!/bin/sh\nexit 101\n" >$guard && chmod 755 $guard
fi
apt-get -q update && DEBIAN_FRONTEND=noninteractive apt-get -qy install \
    --no-install-recommends "$@"'

# Those of the arguments that are not installed.
missing_packages() {
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null |
            grep -q 'ok installed' || echo "$package"
    done
}

# Installs what is missing of the arguments; says so before.
install_packages() {
    command -v apt-get >/dev/null 2>&1 || die "this is not Debian: install \
the like of these yourself and use --no-install: $*"
    lacking=$(missing_packages "$@" | xargs)
    [ -n "$lacking" ] || return 0
    as_root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo >/dev/null 2>&1 ||
            die "run as root, or install these and use --no-install: $lacking"
        as_root=sudo
    fi
    say "installing by apt: $lacking"
    $as_root sh -c "$APT_INSTALL" sh $lacking ||
        die "apt could not install: $lacking (no network? see above)"
}
