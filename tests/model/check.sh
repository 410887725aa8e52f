#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# One instance of pages.pml, over all of its interleavings.
#
#   check.sh holds [-Dx]...            no assertion fails, nobody waits for ever
#   check.sh ends [-Dx]...             and nothing goes round in circles
#   check.sh finds wrong [-Dx]...      some assertion fails
#   check.sh finds stuck [-Dx]...      somebody waits for ever
#
# Prints spin's counts. 77: no spin here.
set -eu
model=$(cd "$(dirname "$0")" && pwd)/pages.pml
mode=$1
shift
what=
if [ "$mode" = finds ]; then
    what=$1
    shift
fi
for program in spin "${CC:-cc}"; do
    if ! command -v "$program" >/dev/null 2>&1; then
        echo "there is no $program here"
        exit 77
    fi
done

work=$(mktemp -d "${TMPDIR:-/tmp}/model.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM HUP
cd "$work"
spin "$@" -a "$model"
words= optimize=-O2
case $mode$what in
holds) compile=-DSAFETY search= ;;
ends) compile="-DNP -DNOFAIR" search=-l ;;
findswrong)
    compile=-DSAFETY search=-E words='assertion violated' optimize=-O1
    ;;
findsstuck)
    compile=-DSAFETY search=-A words='invalid end state (' optimize=-O1
    ;;
*)
    echo "what is '$mode $what'?"
    exit 2
    ;;
esac
# spin's own code is not ours to warn of.
# shellcheck disable=SC2086
"${CC:-cc}" -w $optimize -DVECTORSZ=2048 -DCOLLAPSE -DMEMLIM=6000 $compile -o pan pan.c
# shellcheck disable=SC2086
./pan -m1000000 -w22 $search >out 2>&1 || :
grep -E '^pan:|errors:|states, stored|total actual memory' out || :
if grep -qE 'out of memory|too small|reached -DMEMLIM|truncated' out; then
    echo "the search was not completed"
    exit 1
fi
if [ "$mode" != finds ]; then
    grep -q 'errors: 0$' out && exit 0
    # The way there, without the steps that only count.
    timeout 60 spin "$@" -k pages.pml.trail -t -p "$model" 2>&1 |
        grep -E 'proc ' | cut -d: -f2- | tail -n 200
    exit 1
fi
if ! grep -qF "$words" out; then
    echo "spin did not find: $words"
    exit 1
fi
