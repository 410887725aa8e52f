#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# run-target.sh PROGRAM CORPUS RUNS: one libFuzzer target, RUNS inputs from a
# fixed seed and at fixed addresses (where it hashes program counters), so that
# one tree tries the same inputs on every machine: whoever finds something has
# changed something. With POSTLUDE_FUZZ_SECONDS it looks for something new: for
# so long, from a seed that is drawn (or POSTLUDE_FUZZ_SEED).
# What it learns goes into a directory that is removed; with
# POSTLUDE_FUZZ_KEEP=DIR into DIR/TARGET, and the next run goes on from there.
# An input that fails is written to DIR, or to the current directory.
set -eu
program=$1
corpus=$2
runs=$3
name=$(basename "$program")
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
if [ -n "${POSTLUDE_FUZZ_SECONDS:-}" ]; then
    set -- -seed="${POSTLUDE_FUZZ_SEED:-0}" \
        -max_total_time="$POSTLUDE_FUZZ_SECONDS"
else
    set -- -seed="${POSTLUDE_FUZZ_SEED:-1}" -runs="$runs"
fi
set -- "$@" -timeout=20 -rss_limit_mb=2048 \
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
fixed=
if setarch -R true 2>/dev/null; then
    fixed="setarch -R" # a container may forbid it
fi
status=0
$fixed "$program" "$@" "$learned" "$corpus" >"$learned.log" 2>&1 || status=$?
if [ $status -ne 0 ]; then
    cat "$learned.log"
else
    grep -E '^stat::(number_of_executed|average_exec)|DONE' "$learned.log" || :
fi
rm -f "$learned.log"
[ $status -eq 0 ] || exit 1
