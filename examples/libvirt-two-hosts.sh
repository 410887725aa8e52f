#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Shows postlude migrate: makes two hosts with a libvirt each on this machine, in
# namespaces of their own; defines an ordinary domain on the first, prepares and
# starts it, and moves it there and back, once driven by the client and once peer
# to peer. Exits with 0 only if the guest found no wrong word and all its memory
# is in huge pages each time. The machine's own libvirt is not touched.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
filled=96 # MiB of the guest's RAM in use
. "$top/examples/common.sh"
read_options "$@"
ram=$(((filled + 32 + 31) / 32 * 32))
rig_sh=$top/tests/libvirt/rig.sh
rig=
mover=

# All that runs on the two hosts ends with them.
clean_up() {
    [ -z "$mover" ] || kill "$mover" 2>/dev/null
    [ -z "$rig" ] || "$rig_sh" down "$rig"
    [ -z "$scratch" ] || rm -rf "$scratch"
}

on() { # a|b COMMAND...
    "$rig_sh" exec "$rig" "$@"
}

prepare() {
    # shellcheck disable=SC2086
    require_host "namespaces, ptrace" $LIBVIRT_PACKAGES
    need qemu-system-x86_64 libvirtd virsh ip nsenter
    build_it
    need_program cli/postlude cli/postlude-libvirt libvirt/postlude-hook
    serials=$scratch/rig/shared/demo.serial
}

make_hosts() {
    step "two hosts, host-a and host-b, each with a libvirt and the hook"
    rig=$scratch/rig
    POSTLUDE=$build/cli/postlude POSTLUDE_BUILD=$build "$rig_sh" up "$rig" ||
        die "the hosts did not come up"
    virsh --version | sed 's/^/   libvirt /'
}

# As libvirt would have it by itself: nothing of Postlude is in there.
write_domain() {
    sed -e "s|@TYPE@|qemu|; s|@NAME@|demo|; s|@MIB@|$ram|" \
        -e "s|@UUID@|8d5ab1de-6f0c-4c0e-8a51-706f73746c75|" \
        -e "s|@KERNEL@|$build/tests/guest/witness.elf|; s|@INITRD@||" \
        -e "s|@APPEND@|mib=$filled scan=2 report=50 seed=$$|" \
        -e "s|@EMULATOR@|$(command -v qemu-system-x86_64)|" \
        -e "s|@SERIAL@|$rig/shared/demo.serial|; s|@METADATA@||" \
        -e "s|@COMMANDLINE@||" \
        "$top/tests/libvirt/domain.xml" >"$rig/shared/demo.xml"
}

start_domain() {
    step "an ordinary domain on host-a: postlude migrate --prepare demo"
    write_domain
    on a virsh -q define "$rig/shared/demo.xml" || die "libvirt refuses it"
    on a postlude check --domain demo | grep '^MISSING'
    on a postlude migrate --prepare demo || die "it cannot be prepared"
    on a virsh -q start demo || die "the domain does not start"
    wait_beats 9 || die "the guest did not fill its memory"
    echo "   runs: $(witness acc) accesses checked, $(witness wrong) wrong words"
}

wait_beats() { # NUMBER
    tries=1200
    until [ "$(witness n)" -ge "$1" ] 2>/dev/null; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.1
    done
}

# Two whole scans from now: the first may have begun before the move.
check_memory() {
    wanted=$(($(witness scans) + 2))
    tries=1200
    until [ "$(witness scans)" -ge $wanted ]; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || die "the guest stands still after the move"
        sleep 0.1
    done
    [ "$(witness wrong)" = 0 ] || die "FAILED: $(witness wrong) wrong words"
    echo "   the guest checked every word twice: none is wrong"
}

# The receiver tidies up for a moment after the sender has gone.
check_huge() { # HOST
    tries=100
    until on "$1" postlude check --domain demo >"$scratch/check" 2>&1 &&
        grep -q 'hold data.*(100.0%) are in huge' "$scratch/check"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || {
            cat "$scratch/check" >&2
            die "FAILED: not all memory is in huge pages on host-$1"
        }
        sleep 0.1
    done
    sed -n 's/^ok *\(.*hold data.*\)/   \1/p' "$scratch/check"
}

move() { # FROM TO OPTION...
    from=$1
    to=$2
    shift 2
    step "host-$from# postlude migrate demo qemu+tcp://host-$to/system $*"
    # Without --insecure it takes --tls and certificates. The network of the
    # two hosts is this script's.
    on "$from" postlude migrate demo "qemu+tcp://host-$to/system" --insecure \
        "$@" 2>"$scratch/migrate.err" &
    mover=$!
    wait $mover
    status=$?
    mover=
    [ $status -eq 0 ] || {
        cat "$scratch/migrate.err" >&2
        die "FAILED: postlude migrate exited with $status"
    }
    check_memory
    check_huge "$to"
}

make_scratch libvirt
# QEMU does not run as root there.
chmod 755 "$scratch"
prepare
make_hosts
start_domain
move a b --persistent
move b a --p2p --persistent
step verdict
echo "OK: no wrong word, moved there and back, all of it in huge pages each time"
