# shellcheck shell=sh disable=SC2034,SC2154
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sourced by the examples beside it: their options, the build, and waiting for
# what a guest says. $top is the tree, $filled the MiB of the guest in use.
. "$top/tests/support/cache.sh"
. "$top/tests/support/packages.sh"

usage="usage, as root: examples/${0##*/} [--no-install] [--mib N]
           [--build DIR]    use what is built there, build nothing"
install=yes
build=
scratch=

# Sets $install, $filled and $build, or ends with a word.
read_options() {
    while [ $# -gt 0 ]; do
        case $1 in
        --no-install) install=no ;;
        --mib | --build)
            [ $# -ge 2 ] || die "$usage"
            [ "$1" = --mib ] && filled=$2
            [ "$1" = --build ] && build=$2
            shift
            ;;
        *)
            echo "$usage" >&2
            exit 2
            ;;
        esac
        shift
    done
    case $filled in '' | *[!0-9]*) die "--mib needs a number" ;; esac
}

step() {
    printf '\n== %s\n' "$*"
}

# A directory that clean_up, which the example defines, removes.
make_scratch() { # NAME
    trap clean_up EXIT
    trap 'exit 130' INT TERM HUP
    scratch=$(mktemp -d "${TMPDIR:-/tmp}/postlude-$1.XXXXXX") ||
        die "cannot make a directory below ${TMPDIR:-/tmp}"
}

# Only what we started ourselves, by its pid: that the shell knows, also when a
# signal comes before we have kept it. In "$(jobs -p)" dash knows no job.
end_jobs() {
    [ -n "$scratch" ] || return 0
    jobs -p >"$scratch/jobs"
    while read -r pid; do
        kill -KILL "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done <"$scratch/jobs"
}

require_host() { # WHY-ROOT PACKAGE...
    [ "$(id -u)" = 0 ] || die "run it as root ($1)"
    [ "$(uname -m)" = x86_64 ] || die "this example needs an x86-64 host"
    shift
    [ $install = no ] || install_packages "$@"
}

build_it() { # TARGET...
    [ -z "$build" ] || return 0
    need gcc meson ninja
    build=$top/build
    step "building in $build"
    if [ ! -f "$build/build.ninja" ]; then
        meson setup -Dtests=enabled "$build" "$top" >"$scratch/build.log" 2>&1
    elif ! grep -q 'tests/guest/witness\.elf' "$build/build.ninja"; then
        # Built as the README says: without the guest of the tests.
        meson configure -Dtests=enabled "$build" >"$scratch/build.log" 2>&1
    fi
    if ! ninja -C "$build" "$@" >>"$scratch/build.log" 2>&1; then
        tail -20 "$scratch/build.log" >&2
        die "the build failed"
    fi
}

need_program() { # PATH-IN-BUILD...
    for program in "$@"; do
        [ -x "$build/$program" ] || die "$build/$program is not there: is \
$build a build, and with libvirt (meson configure -Dlibvirt=enabled)?"
    done
}

# Waits until FILE has TEXT, for as long as the process PID lives.
wait_text() { # PID FILE TEXT SECONDS
    tries=$(($4 * 10))
    until grep -aq "$3" "$2" 2>/dev/null; do
        kill -0 "$1" 2>/dev/null || return 1
        tries=$((tries - 1))
        [ $tries -gt 0 ] || return 1
        sleep 0.1
    done
}

# The value of NAME in the last whole line of the witness, whose serial lines
# are in the files $serials, the later one last.
witness() { # NAME
    # shellcheck disable=SC2086
    cat $serials 2>/dev/null | grep -a '^beat .* ;' | tail -1 |
        tr ' ' '\n' | sed -n "s/^$1=//p"
}
