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

  --suite NAME   only this suite: unit, kernel, host, vm (may be repeated)
  --long         long campaigns too
  --sanitize     build with address and undefined-behaviour sanitizers
  --no-install   do not install packages

Suites kernel, host and vm need root. With TESTS_MUST_RUN=1 a skipped test is a
failed one. The build is in ./build (./build-sanitize); what is downloaded stays
in $POSTLUDE_TEST_CACHE (as root /var/cache/postlude-tests) and in
$POSTLUDE_QEMU10_ROOT (/opt/postlude-trixie).
END
}

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
        multiplier=20
        ;;
    --sanitize)
        build=$top/build-sanitize
        setup_options="-Db_sanitize=address,undefined -Db_lundef=false"
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
suites=${suites:- unit kernel host vm}
[ "$build" = "$top/build" ] || multiplier=$((multiplier * 3))

has_suite() {
    case " $suites " in *" $1 "*) return 0 ;; esac
    return 1
}

# What the VM tests need beside packages. Without it they skip, and say why.
get_guests() {
    has_suite vm || has_suite host || return 0
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

build_all() {
    if [ ! -f "$build/build.ninja" ]; then
        # shellcheck disable=SC2086
        meson setup -Dtests=enabled $setup_options "$build" "$top" || return 1
    fi
    meson compile -C "$build"
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
    # QEMUs that run as somebody else work below it.
    chmod 755 "$scratch"
    chmod 1777 "$scratch/tmp"
}

run_tests() {
    set --
    for suite in $suites; do
        set -- "$@" --suite "$suite"
    done
    rm -f "$build/meson-logs/testlog.json"
    TMPDIR=$scratch/tmp POSTLUDE_TEST_RUN=$mark meson test -C "$build" \
        --no-rebuild --timeout-multiplier "$multiplier" "$@"
}

# Prints a line for each thing the run has left behind.
left_behind() {
    "$top/tests/support/left-behind.sh" compare "$scratch/before"
    "$top/tests/support/left-behind.sh" processes "$mark" |
        sed 's/^/still running: /'
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
run_tests
# Others on this host come and go; what is ours stays.
left=$(left_behind)
if [ -n "$left" ]; then
    sleep 3
    left=$(left_behind)
fi
set --
if [ -n "$left" ]; then
    printf '%s\n' "$left"
    set -- "left behind: $(printf '%s\n' "$left" | wc -l) things, see above"
fi
python3 "$top/tests/support/sum-up.py" "$build/meson-logs/testlog.json" "$@"
