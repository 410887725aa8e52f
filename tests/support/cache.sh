# shellcheck shell=sh disable=SC2034,SC2086
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sourced by the scripts that fetch things for the tests: where they are kept,
# and how a script says what it does. POSIX sh.

# $POSTLUDE_TEST_CACHE, or the system's cache for root, or the user's.
test_cache() {
    if [ -n "${POSTLUDE_TEST_CACHE:-}" ]; then
        echo "$POSTLUDE_TEST_CACHE"
    elif [ "$(id -u)" = 0 ]; then
        echo /var/cache/postlude-tests
    else
        echo "${XDG_CACHE_HOME:-$HOME/.cache}/postlude-tests"
    fi
}

say() {
    echo "${0##*/}: $*" >&2
}

die() {
    say "$*"
    exit 1
}

need() {
    for program in "$@"; do
        command -v "$program" >/dev/null 2>&1 ||
            die "there is no $program: install it (apt-get install $program)"
    done
}
