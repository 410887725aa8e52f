#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Shows a move on one host: builds Postlude, starts two QEMUs, runs a guest that
# checks its own memory in the first, and moves it into the second. Exits with
# 0 only if the guest found no wrong word and all its RAM is in huge pages.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
filled=700 # MiB of the guest's RAM in use
. "$top/examples/common.sh"
read_options "$@"
ram=$(((filled + 64 + 127) / 128 * 128))

clean_up() {
    end_jobs
    [ -z "$scratch" ] || rm -rf "$scratch"
}

start_qemu() { # NAME ARGUMENT...
    name=$1
    shift
    # The same RAM on both sides: a shared file on tmpfs, aligned to 2 MiB.
    qemu-system-x86_64 -nodefaults -no-user-config -display none -name demo \
        -accel tcg -m "${ram}M" -machine pc,memory-backend=ram \
        -object "memory-backend-file,id=ram,size=${ram}M,mem-path=/dev/shm,share=on,align=2M" \
        -kernel "$build/tests/guest/witness.elf" \
        -append "mib=$filled scan=2 seed=$$" \
        -serial "file:$scratch/$name.serial" \
        -qmp "unix:$scratch/$name.qmp,server=on,wait=off" \
        "$@" 2>"$scratch/$name.err" &
}

wait_socket() { # PID FILE
    tries=100
    until [ -S "$2" ]; do
        kill -0 "$1" 2>/dev/null || return 1
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.1
    done
}

report() { # NAME
    sed -n "s/.*\"$1\" *: *\([0-9]*\).*/\1/p" "$scratch/report.json" | head -1
}

prepare() {
    # shellcheck disable=SC2086
    require_host "userfaultfd and ptrace" $DEMO_PACKAGES
    need qemu-system-x86_64
    free_mib=$(df --output=avail -m /dev/shm | tail -1)
    [ "$free_mib" -gt $((2 * ram)) ] || die "/dev/shm has $free_mib MiB free, \
two guests of $ram MiB do not fit: use --mib N"
    build_it cli/postlude tests/guest/witness.elf
    need_program cli/postlude
    postlude=$build/cli/postlude
    serials="$scratch/source.serial $scratch/destination.serial"
}

start_guests() {
    step "two QEMUs of $ram MiB; the guest fills $filled MiB with known words"
    start_qemu source
    source_qemu=$!
    start_qemu destination -incoming defer
    destination_qemu=$!
    if ! wait_socket $source_qemu "$scratch/source.qmp" ||
        ! wait_socket $destination_qemu "$scratch/destination.qmp" ||
        ! wait_text $source_qemu "$scratch/source.serial" 'beat n=9 ' 120; then
        cat "$scratch"/*.err >&2
        die "a QEMU did not start, or the guest did not fill its memory"
    fi
    echo "   runs: $(witness acc) accesses checked, $(witness wrong) wrong words"
}

move() {
    step "postlude send | postlude receive"
    "$postlude" send --qmp "$scratch/source.qmp" \
        --listen "unix:$scratch/link" >"$scratch/send.out" \
        2>"$scratch/send.err" &
    sender=$!
    wait_socket $sender "$scratch/link" || {
        cat "$scratch/send.err" >&2
        die "postlude send did not come up"
    }
    "$postlude" receive --qmp "$scratch/destination.qmp" \
        --connect "unix:$scratch/link" --report "$scratch/report.json"
    received=$?
    wait $sender
    sent=$?
    if [ $received -ne 0 ] || [ $sent -ne 0 ]; then
        cat "$scratch/send.err" >&2
        die "the move failed: receive exited with $received, send with $sent"
    fi
}

# Two whole scans from now: the first may have begun before the move.
check_memory() {
    step "the guest checks every word of its memory, twice"
    wanted=$(($(witness scans) + 2))
    tries=600
    until [ "$(witness scans)" -ge $wanted ]; do
        tries=$((tries - 1))
        if [ $tries -le 0 ] || ! kill -0 $destination_qemu 2>/dev/null; then
            die "the guest did not get through its memory: it is not running"
        fi
        sleep 0.1
    done
    grep -h '^WRONG' "$scratch"/*.serial
    echo "   $(witness acc) accesses, longest $(witness max) us," \
        "$(witness wrong) wrong words"
}

verdict() {
    wrong=$(witness wrong)
    could=$(report eligible_bytes)
    huge=$(report after_bytes)
    step "verdict"
    if [ "$wrong" = 0 ] && [ "${could:-0}" -gt 0 ] && [ "$huge" = "$could" ]; then
        echo "OK: no wrong word, $((huge >> 20)) of $((could >> 20)) MiB in huge pages"
        return 0
    fi
    echo "FAILED: ${wrong:-?} wrong words, ${huge:-?} of ${could:-?} bytes in huge pages"
    return 1
}

make_scratch demo
prepare
start_guests
move
check_memory
verdict
