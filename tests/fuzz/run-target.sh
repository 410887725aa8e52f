#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# run-target.sh PROGRAM CORPUS: one libFuzzer target for POSTLUDE_FUZZ_SECONDS
# (60), from the seed POSTLUDE_FUZZ_SEED (1: the same inputs for the same tree;
# 0 draws one). What it learns goes into a directory that is removed; with
# POSTLUDE_FUZZ_KEEP=DIR into DIR/TARGET, and the next run goes on from there.
# An input that fails is written to DIR, or to the current directory.
set -eu
program=$1
corpus=$2
name=$(basename "$program")
seconds=${POSTLUDE_FUZZ_SECONDS:-60}
if [ -n "${POSTLUDE_FUZZ_KEEP:-}" ]; then
    learned=$POSTLUDE_FUZZ_KEEP/$name
    artifacts=$POSTLUDE_FUZZ_KEEP/
    mkdir -p "$learned"
else
    learned=$(mktemp -d "${TMPDIR:-/tmp}/$name.XXXXXX")
    artifacts=./
    trap 'rm -rf "$learned"' EXIT
    trap 'exit 130' INT TERM HUP
fi
set -- -seed="${POSTLUDE_FUZZ_SEED:-1}" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 \
    -artifact_prefix="$artifacts$name-" -print_final_stats=1
# json-glib (1.6) forgets the first of several values in one text. The corpora
# are replayed with leaks counted, by suite sanitize.
case $name in
fuzz-migrate-status | fuzz-qmp-message)
    export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0"
    ;;
esac
dictionary=$(dirname "$0")/dictionaries/${name#fuzz-}.dict
if [ -f "$dictionary" ]; then
    set -- "$@" -dict="$dictionary"
fi
# Not libFuzzer's own 77, which means "skipped" to whoever reads ours.
status=0
"$program" "$@" "$learned" "$corpus" >"$learned.log" 2>&1 || status=$?
if [ $status -ne 0 ]; then
    cat "$learned.log"
else
    grep -E '^stat::(number_of_executed|average_exec)|DONE' "$learned.log" || :
fi
rm -f "$learned.log"
[ $status -eq 0 ] || exit 1
