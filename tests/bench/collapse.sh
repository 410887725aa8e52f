#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What it takes to give a guest its huge pages back, and what the guest feels
# of it: postlude collapse against khugepaged. "run.sh collapse" is the way in.
set -u
top=$(cd "$(dirname "$0")/../.." && pwd)
. "$top/tests/support/cache.sh"

usage() {
    cat <<'END'
usage: tests/bench/run.sh collapse [OPTION]...

  -n N             runs of each way (default 5)
  --qemu 7.2|10.0  this host's QEMU (default), or that of get-qemu10.sh
  --accel tcg|kvm  kvm: a 32-bit guest (default tcg)
  --only WAY       none, default, fast, khugepaged or khugepaged-aggressive
  --ram MIB        guest RAM, seven tenths of it in use (default 2048; kvm 1024)
  --duty P%        another duty for the default way
  --limit MS       how long khugepaged is watched (default 45000); what it would
                   have needed is then extrapolated
  --calm P%        a run counts if others took at most so much of one core
                   (default 10), and begins when the machine is as calm
  --patience S     how long to wait for that, before each run (default 120)
  --build DIR      a build directory other than ./build
  --out FILE       JSON elsewhere than in build/bench-collapse.json

Needs root, two cores, and free memory of five times the guest. Changes the
settings of khugepaged meanwhile and puts them back, also when it is killed.
END
}

n=5 qemu=7.2 accel=tcg ram='' duty='' limit=45000 calm=10 patience=120
ways="none default fast khugepaged khugepaged-aggressive"
build=$top/build
out=
while [ $# -gt 0 ]; do
    case $1 in
    -n | --qemu | --accel | --only | --ram | --duty | --limit | --calm | \
        --patience | --build | --out)
        [ $# -ge 2 ] || die "$1 needs a value"
        ;;
    esac
    case $1 in
    -n) n=$2 && shift ;;
    --qemu) qemu=$2 && shift ;;
    --accel) accel=$2 && shift ;;
    --only) ways=$2 && shift ;;
    --ram) ram=$2 && shift ;;
    --duty) duty=$2 && shift ;;
    --limit) limit=$2 && shift ;;
    --calm) calm=${2%\%} && shift ;;
    --patience) patience=$2 && shift ;;
    --build) build=$2 && shift ;;
    --out) out=$2 && shift ;;
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
7.2) ;;
10.0)
    "$top/tests/support/get-qemu10.sh" || die "there is no QEMU 10"
    ;;
*) die "--qemu takes 7.2 or 10.0" ;;
esac
case $accel in
tcg) accel_option="--ram ${ram:-2048}" ;;
kvm) accel_option="--kvm --ram ${ram:-1024}" ;;
*) die "--accel takes tcg or kvm" ;;
esac
out=${out:-$build/bench-collapse.json}

[ "$(id -u)" = 0 ] || die "needs root"
need meson ninja python3
if [ ! -f "$build/build.ninja" ]; then
    meson setup -Dtests=enabled "$build" "$top" >/dev/null ||
        die "meson setup failed"
fi
if [ -z "${BENCH_NO_BUILD:-}" ]; then
    ninja -C "$build" cli/postlude tests/guest/witness.elf \
        tests/bench/bench-collapse >/dev/null || die "the build failed"
fi

scratch=$(mktemp -d "${TMPDIR:-/tmp}/plc.XXXXXX") || die "mktemp failed"
child=
clean_up() {
    if [ -n "$child" ]; then
        kill -TERM "$child" 2>/dev/null
        wait "$child"
    fi
    rm -rf "$scratch"
}
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
runs=$scratch/runs.jsonl
: >"$runs"
export TMPDIR="$scratch"

failures=0
i=1
while [ "$i" -le "$n" ]; do
    for way in $ways; do
        option=
        [ "$way" != default ] || [ -z "$duty" ] || option="--duty $duty"
        # In the background and waited for, so that a signal is acted on at
        # once.
        # shellcheck disable=SC2086
        "$build/tests/bench/bench-collapse" --way "$way" --qemu "$qemu" \
            $accel_option --limit "$limit" --json "$runs" \
            --calm "$calm" --patience "$patience" $option &
        child=$!
        wait "$child"
        status=$?
        child=
        case $status in
        0) ;;
        77) exit 77 ;;
        *) failures=$((failures + 1)) ;;
        esac
    done
    i=$((i + 1))
done
python3 "$top/tests/bench/table-collapse.py" "$runs" "$calm" "$out" || exit 1
if [ $failures != 0 ]; then
    say "$failures runs failed, see above"
    exit 1
fi
