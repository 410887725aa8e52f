#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Moves the same guest by QEMU's own postcopy and by Postlude in turn, prints
# one table, writes build/bench.json. See docs/performance.md.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/support/cache.sh"

if [ "${1:-}" = collapse ]; then
    shift
    exec "$top/tests/bench/collapse.sh" "$@"
fi

usage() {
    cat <<'END'
usage: tests/bench/run.sh [OPTION]...
       tests/bench/run.sh collapse [OPTION]...   (see its --help)

  -n N                  runs of each way (default 5)
  --qemu 7.2|10.0|both  this host's QEMU, that of get-qemu10.sh, or both
  --accel tcg|kvm       kvm: a small 32-bit guest (default tcg)
  --only WAY            only native, preempt, postlude or tls: one line per run
  --tls                 Postlude by TLS too, in turn with the others
  --ram file|private|both
                        guest RAM of the native runs: the same shared file as
                        Postlude's, private anonymous memory, or both (default)
  --streams N           bulk connections of Postlude
  --no-floor            do not measure what the machine itself can do
  --force               although the machine is busy
  --build DIR           a build directory other than ./build
  --out FILE            JSON elsewhere than in build/bench.json

Needs root, two cores, 6 GiB of free memory. A full run takes about ten
minutes; "-n 1 --qemu 7.2 --ram file --no-floor" is a smoke test of a minute.
END
}

n=5 qemu=both accel=tcg only= ram=both streams= floor=yes force=no tls=no
build=$top/build
out=
while [ $# -gt 0 ]; do
    case $1 in
    -n | --qemu | --accel | --only | --ram | --streams | --build | --out)
        [ $# -ge 2 ] || die "$1 needs a value"
        ;;
    esac
    case $1 in
    -n) n=$2 && shift ;;
    --qemu) qemu=$2 && shift ;;
    --accel) accel=$2 && shift ;;
    --only) only=$2 && shift ;;
    --ram) ram=$2 && shift ;;
    --streams) streams=$2 && shift ;;
    --build) build=$2 && shift ;;
    --out) out=$2 && shift ;;
    --no-floor) floor=no ;;
    --tls) tls=yes ;;
    --force) force=yes ;;
    -h | --help)
        usage
        exit 0
        ;;
    *)
        usage >&2
        die "unknown option $1"
        ;;
    esac
    shift
done
case $n in '' | *[!0-9]* | 0) die "-n takes a number from 1 on" ;; esac
case $qemu in
7.2) versions=7.2 ;;
10.0) versions=10.0 ;;
both) versions="7.2 10.0" ;;
*) die "--qemu takes 7.2, 10.0 or both" ;;
esac
case $accel in
tcg) accel_option= ;;
kvm) accel_option="--kvm --ram 256" ;;
*) die "--accel takes tcg or kvm" ;;
esac
case $ram in
file | private) rams=$ram ;;
both) rams="file private" ;;
*) die "--ram takes file, private or both" ;;
esac
case $only in
'' | native | preempt | postlude) ;;
tls) tls=yes ;;
*) die "--only takes native, preempt, postlude or tls" ;;
esac
out=${out:-$build/bench.json}

[ "$(id -u)" = 0 ] || die "needs root"
need meson ninja python3

# Before the build, which would be the load that it finds. The table has the
# load before each run as well.
load=$(cut -d' ' -f1 /proc/loadavg)
if [ $force = no ] && ! awk "BEGIN { exit !($load <= 1.5) }"; then
    die "the machine is busy (load average $load, at most 1.5): figures would \
mean nothing. Wait a minute, or use --force"
fi
case $versions in
*10.0*)
    "$top/tests/support/get-qemu10.sh" ||
        die "there is no QEMU 10 (use --qemu 7.2)"
    ;;
esac
if [ ! -f "$build/build.ninja" ]; then
    meson setup -Dtests=enabled "$build" "$top" >/dev/null ||
        die "meson setup failed"
fi
# "meson test" has built already, and ninja may be the one that waits for it.
if [ -z "${BENCH_NO_BUILD:-}" ]; then
    ninja -C "$build" cli/postlude tests/guest/witness.elf \
        tests/bench/bench-move tests/bench/bench-floor >/dev/null ||
        die "the build failed"
fi

scratch=$(mktemp -d "${TMPDIR:-/tmp}/plb.XXXXXX") || die "mktemp failed"
child=
clean_up() {
    # A move of ours ends its guests itself, given the chance.
    if [ -n "$child" ]; then
        kill -TERM "$child" 2>/dev/null
        wait "$child"
    fi
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
runs=$scratch/runs.jsonl
floors=$scratch/floor.json
: >"$runs"
export TMPDIR="$scratch"
# TLS with certificates carries bulk in the same way: the key will do.
echo "bench:$(od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n')" \
    >"$scratch/keys.psk"

# In the background and waited for, so that a signal is acted on at once.
run() {
    "$@" &
    child=$!
    wait "$child"
    status=$?
    child=
    return $status
}

failures=0
# WAY QEMU ROUND [OPTION]
move() {
    way=$1 version=$2 after=1000
    # Coverage after ten seconds: once is enough, nothing there varies.
    [ "$3" != 1 ] || [ -n "$only" ] || after=10000
    shift 3
    # shellcheck disable=SC2086
    run "$build/tests/bench/bench-move" --way "$way" --qemu "$version" \
        $accel_option --after $after --json "$runs" "$@"
    case $? in
    0) ;;
    77) exit 77 ;;
    # QEMU's own failures are in the table; they are not ours.
    *) [ "$way" != postlude ] || failures=$((failures + 1)) ;;
    esac
}

round() {
    for kind in $rams; do
        for way in native preempt; do
            option=
            [ "$kind" = file ] || option=--private
            if [ -z "$only" ] || [ "$only" = $way ]; then
                # shellcheck disable=SC2086
                move $way "$2" "$1" $option
            fi
        done
    done
    if [ -z "$only" ] || [ "$only" = postlude ]; then
        # shellcheck disable=SC2086
        move postlude "$2" "$1" ${streams:+--streams $streams}
    fi
    if [ $tls = yes ] && { [ -z "$only" ] || [ "$only" = tls ]; }; then
        # shellcheck disable=SC2086
        move postlude "$2" "$1" ${streams:+--streams $streams} \
            --tls-psk "$scratch/keys.psk"
    fi
}

if [ $floor = yes ] && [ -z "$only" ]; then
    run "$build/tests/bench/bench-floor" >"$floors" ||
        die "the floor could not be measured"
fi
i=1
while [ "$i" -le "$n" ]; do
    for version in $versions; do
        round "$i" "$version"
    done
    i=$((i + 1))
done
if [ -z "$only" ]; then
    python3 "$top/tests/bench/table.py" "$runs" "$floors" "$out" || exit 1
fi
if [ $failures != 0 ]; then
    say "$failures of the runs of postlude failed, see above"
    exit 1
fi
