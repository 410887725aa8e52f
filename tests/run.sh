#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds and runs every suite; the last line is "N passed, N failed, N skipped".
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
. "$top/tests/support/cache.sh"
. "$top/tests/support/packages.sh"

usage() {
    cat <<'END'
usage: tests/run.sh [--suite NAME]... [--long] [--sanitize] [--no-install]
       tests/run.sh --campaign N [--sanitize] [--no-install]

  --suite NAME   only this suite (may be repeated): unit, kernel, host, vm,
                 libvirt; matrix (whatever two hands do, on a model of QEMU);
                 fuzz (each parser against libFuzzer); model (the page states,
                 by spin); sanitize (unit, host and short vm tests once more
                 with ASan and UBSan); tsan (unit, in ./build-tsan); fuzz and
                 sanitize are built by clang in ./build-sanitize
  --long         long campaigns too
  --campaign N   only the campaign of faults, N migrations long (300 take about
                 an hour); POSTLUDE_CAMPAIGN_SEED brings one back
  --sanitize     build with address and undefined-behaviour sanitizers
  --no-install   do not install packages

Suites kernel, host, vm and libvirt need root. With TESTS_MUST_RUN=1 a skipped
test is a failed one, but for those that need /dev/kvm where there is none. A
test that fails runs again, once and alone: if it then passes, it is listed as
unstable, and more than three unstable tests are a failure. The build is in
./build (./build-sanitize); what is downloaded stays in $POSTLUDE_TEST_CACHE (as
root /var/cache/postlude-tests) and in $POSTLUDE_QEMU10_ROOT
(/opt/postlude-trixie). Suite fuzz tries a fixed number of inputs, some 5
seconds' for each parser; for POSTLUDE_FUZZ_SECONDS each (with --long 60) it
looks for something new.
END
}

# A finding ends the process that made it, helpers included, so that the test
# around it fails: UBSan would only print it.
export UBSAN_OPTIONS="${UBSAN_OPTIONS:-halt_on_error=1:print_stacktrace=1}"
export TSAN_OPTIONS="${TSAN_OPTIONS:-halt_on_error=1:suppressions=$top/tests/support/tsan.supp}"
# GLib's own allocator hides from the sanitizers what is freed and what one
# thread hands to another.
export G_SLICE=always-malloc
# The search for leaks at the end of a process needs system calls that a confined
# helper has given up. Suite sanitize looks for them where nobody is confined.
NO_LEAKS=detect_leaks=0
SUM_UP=$top/tests/support/sum-up.py
# Tests wait more than they compute, so more of them at once than there are cores.
AT_ONCE=$(($(nproc) * 2))
SANITIZE="-Db_sanitize=address,undefined -Db_lundef=false"
# With the whole tool in two processes, and short.
SANITIZED_VM="a-moved-guest-is-left-as-found a-paused-guest-arrives-paused"

suites=
install=yes
build=$top/build
setup_options=
multiplier=1
while [ $# -gt 0 ]; do
    case $1 in
    --suite)
        [ $# -ge 2 ] || die "--suite needs a name"
        suites="$suites $2"
        shift
        ;;
    --long)
        export POSTLUDE_TEST_LONG=1
        export POSTLUDE_FUZZ_SECONDS="${POSTLUDE_FUZZ_SECONDS:-60}"
        multiplier=20
        ;;
    --campaign)
        [ $# -ge 2 ] || die "--campaign needs a number"
        export POSTLUDE_CAMPAIGN="$2"
        suites=campaign
        shift
        ;;
    --sanitize)
        build=$top/build-sanitize
        export ASAN_OPTIONS="${ASAN_OPTIONS:-$NO_LEAKS}"
        CC=clang
        export CC
        setup_options="-Dfuzz=enabled $SANITIZE"
        ;;
    --no-install) install=no ;;
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
if [ "$build" = "$top/build" ]; then
    suites=${suites:- unit kernel host matrix vm libvirt fuzz model sanitize tsan}
else
    suites=${suites:- unit kernel host matrix vm libvirt}
    multiplier=$((multiplier * 3))
fi

has_suite() {
    case " $suites " in *" $1 "*) return 0 ;; esac
    return 1
}

# What the VM tests need beside packages. Without it they skip, and say why.
get_guests() {
    has_suite vm || has_suite host || has_suite libvirt || return 0
    # On a host whose own QEMU is a 10 there is nothing to fetch.
    if [ -z "${POSTLUDE_QEMU10_ROOT:-}" ] &&
        qemu-system-x86_64 --version 2>/dev/null | grep -q 'version 10\.'; then
        export POSTLUDE_QEMU10_ROOT=/
    fi
    "$top/tests/support/get-qemu10.sh" ||
        say "going on without QEMU 10: its tests will be skipped"
    "$top/tests/guest/linux/build.sh" >/dev/null ||
        say "going on without the Linux guest: its tests will be skipped"
}

# DIRECTORY [SETUP_OPTION...]
set_up() {
    directory=$1
    shift
    if [ ! -f "$directory/build.ninja" ]; then
        meson setup -Dtests=enabled "$@" "$directory" "$top"
    elif ! grep -q 'tests/guest/witness\.elf' "$directory/build.ninja"; then
        meson configure -Dtests=enabled "$directory"
    fi
}

build_all() {
    # shellcheck disable=SC2086
    set_up "$build" $setup_options && meson compile -C "$build"
}

# Everything the tests make goes below a directory of this run, and every
# process they start carries its name.
prepare_run() {
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/plt.XXXXXX") ||
        die "cannot make a directory below ${TMPDIR:-/tmp}"
    trap 'rm -rf "$scratch"' EXIT
    trap 'exit 130' INT TERM HUP
    mark=$(basename "$scratch")
    "$top/tests/support/left-behind.sh" snapshot >"$scratch/before"
    mkdir "$scratch/tmp"
    : >"$scratch/log"
    : >"$scratch/again"
    : >"$scratch/failures"
    # QEMUs that run as somebody else work below it.
    chmod 755 "$scratch"
    chmod 1777 "$scratch/tmp"
}

# Says what went wrong outside of a test; each line counts as one failure.
fail() {
    say "$*"
    printf '%s\n' "$*" >>"$scratch/failures"
}

# BUILD TIMES ARGUMENT...: what of that build, with TIMES the time-outs, added to
# the run's log. Builds what these tests need, and nothing else. What fails runs
# again, once and alone: sum-up.py says what becomes of it.
run_tests() {
    directory=$1
    times=$2
    shift 2
    log=$directory/meson-logs/testlog.json
    run_meson_test --num-processes "$AT_ONCE" "$@"
    cat "$log" >>"$scratch/log" ||
        fail "$(basename "$directory") does not build"
    again=$(python3 "$SUM_UP" --failed "$log")
    # More than that is no accident.
    [ "$(printf '%s' "$again" | grep -c .)" -le 6 ] || return 0
    for name in $again; do
        run_meson_test "$name"
        cat "$log" >>"$scratch/again"
    done
}

run_meson_test() { # ARGUMENT...
    rm -f "$log"
    TMPDIR=$scratch/tmp POSTLUDE_TEST_RUN=$mark meson test -C "$directory" \
        --timeout-multiplier "$times" "$@"
}

run_suites() {
    set --
    if has_suite campaign; then
        # No limit but the campaign's own: it knows what it waits for.
        run_tests "$build" 0 --verbose campaign
        return
    fi
    for suite in $suites; do
        case $suite in
        fuzz | sanitize | tsan) ;; # have a build of their own
        *) set -- "$@" --suite "$suite" ;;
        esac
    done
    [ $# -eq 0 ] || run_tests "$build" "$multiplier" "$@"
}

# The fuzzers and all that is sanitized are one build, by clang.
# shellcheck disable=SC2086
run_sanitized() {
    has_suite fuzz || has_suite sanitize || return 0
    if ! command -v clang >/dev/null 2>&1; then
        fail "suites fuzz and sanitize need clang and libclang-rt-dev"
        return
    fi
    CC=clang set_up "$top/build-sanitize" -Dfuzz=enabled $SANITIZE
    if has_suite fuzz; then
        run_tests "$top/build-sanitize" 1 --suite fuzz
    fi
    if has_suite sanitize; then
        run_tests "$top/build-sanitize" 4 --suite unit --suite host
        ASAN_OPTIONS="${ASAN_OPTIONS:-}:$NO_LEAKS" \
            run_tests "$top/build-sanitize" 4 $SANITIZED_VM
    fi
}

run_tsan() {
    has_suite tsan || return 0
    set_up "$top/build-tsan" -Db_sanitize=thread -Db_lundef=false
    run_tests "$top/build-tsan" 4 --suite unit
}

# Prints a line for each thing the run has left behind. A test that failed could
# not remove its own directories: they go with the run's.
left_behind() {
    "$top/tests/support/left-behind.sh" compare "$scratch/before"
    "$top/tests/support/left-behind.sh" processes "$mark" |
        sed 's/^/still running: /'
    [ -s "$scratch/again" ] ||
        find "$scratch/tmp" -mindepth 1 -maxdepth 1 -printf 'new: file %p\n'
}

if [ $install = yes ]; then
    # shellcheck disable=SC2086
    install_packages $TEST_PACKAGES
fi
need meson ninja python3 gcc
get_guests
if ! build_all; then
    say "the build failed"
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
fi
prepare_run
run_suites
run_sanitized
run_tsan
# Others on this host come and go; what is ours stays.
left=$(left_behind)
if [ -n "$left" ]; then
    sleep 3
    left=$(left_behind)
fi
set --
while read -r failure; do
    set -- "$@" "$failure"
done <"$scratch/failures"
if [ -n "$left" ]; then
    printf '%s\n' "$left"
    set -- "$@" "left behind: $(printf '%s\n' "$left" | wc -l) things, see above"
fi
python3 "$SUM_UP" "$scratch/log" "$scratch/again" "$@"
