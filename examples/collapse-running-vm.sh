#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Shows huge pages coming back: starts a guest with ordinary RAM, lets QEMU move
# it into a second QEMU by its own postcopy, which leaves it in small pages, and
# has postlude collapse make them huge while the guest runs. Exits with 0 only
# if all of its memory is huge again and the guest found no wrong word.
set -u
top=$(cd "$(dirname "$0")/.." && pwd)
filled=256 # MiB of the guest's RAM in use
. "$top/examples/common.sh"
read_options "$@"
ram=$(((filled + 64 + 127) / 128 * 128))

clean_up() {
    end_jobs
    [ -z "$scratch" ] || rm -rf "$scratch"
}

prepare() {
    # shellcheck disable=SC2086
    require_host "postlude collapse needs CAP_SYS_NICE" $DEMO_PACKAGES
    need qemu-system-x86_64 mkfifo
    free_mib=$(awk '/^MemAvailable:/ {print int($2 / 1024)}' /proc/meminfo)
    [ "$free_mib" -gt $((2 * ram)) ] || die "$free_mib MiB of memory are free, \
two guests of $ram MiB do not fit: use --mib N"
    build_it cli/postlude tests/guest/witness.elf
    need_program cli/postlude
    postlude=$build/cli/postlude
    serials="$scratch/source.serial $scratch/destination.serial"
}

# Two monitors: QMP for postlude, and one for people on a pair of pipes, which
# a shell can write to.
start_qemu() { # NAME ARGUMENT...
    name=$1
    shift
    mkfifo "$scratch/$name.in" "$scratch/$name.out"
    cat "$scratch/$name.out" >"$scratch/$name.said" 2>/dev/null &
    qemu-system-x86_64 -nodefaults -no-user-config -display none \
        -name "$name" -accel tcg -m "${ram}M" \
        -kernel "$build/tests/guest/witness.elf" \
        -append "mib=$filled scan=2 seed=$$" \
        -serial "file:$scratch/$name.serial" \
        -chardev "pipe,id=people,path=$scratch/$name" -mon people \
        -qmp "unix:$scratch/$name.qmp,server=on,wait=off" \
        "$@" 2>"$scratch/$name.err" &
}

say_to() { # NAME PID COMMAND...
    name=$1
    # Nobody reads the pipe of a QEMU that has ended.
    kill -0 "$2" 2>/dev/null || {
        cat "$scratch/$name.err" >&2
        die "the QEMU '$name' has ended"
    }
    shift 2
    echo "$*" >"$scratch/$name.in"
}

# What of the guest's memory is huge, and why the rest is not. The other lines
# are about moving it with postlude, which is another story.
show_coverage() { # PID
    "$postlude" check --pid "$1" |
        sed -n -e '/MiB hold data/s/^/   /p' -e '/in small pages/{s/^/   /;p;n;s/^/   /p}'
}

start_guests() {
    step "two QEMUs with $ram MiB of ordinary RAM; the guest uses $filled MiB"
    start_qemu source
    source_qemu=$!
    start_qemu destination -incoming "unix:$scratch/link"
    destination_qemu=$!
    if ! wait_text $source_qemu "$scratch/source.serial" 'beat n=9 ' 120 ||
        ! kill -0 $destination_qemu; then
        cat "$scratch"/*.err >&2
        die "a QEMU did not start, or the guest did not fill its memory"
    fi
    show_coverage $source_qemu
}

# A monitor takes its time: it has to be true before the migration begins.
allow_postcopy() { # NAME PID
    say_to "$1" "$2" migrate_set_capability postcopy-ram on
    say_to "$1" "$2" info migrate_capabilities
    wait_text "$2" "$scratch/$1.said" 'postcopy-ram: on' 60 ||
        die "the QEMU '$1' does not allow postcopy"
}

lose_huge_pages() {
    step "QEMU moves the guest by its own postcopy"
    allow_postcopy source $source_qemu
    allow_postcopy destination $destination_qemu
    # What its precopy brings is huge from the start: next to nothing, then,
    # also where somebody is slow to say the second word.
    say_to source $source_qemu migrate_set_parameter max-bandwidth 1M
    say_to source $source_qemu migrate -d "unix:$scratch/link"
    say_to source $source_qemu migrate_start_postcopy
    if ! wait_text $destination_qemu "$scratch/destination.serial" '^beat ' 60
    then
        cat "$scratch"/*.said "$scratch"/*.err >&2
        die "the guest did not arrive"
    fi
}

sweep() {
    step "postlude collapse --after-migration"
    "$postlude" collapse --qmp "$scratch/destination.qmp" --after-migration \
        --json >"$scratch/report.json" 2>"$scratch/collapse.err" &
    wait $!
    swept=$?
    if [ $swept -ne 0 ]; then
        cat "$scratch/report.json" "$scratch/collapse.err" >&2
        die "postlude collapse exited with $swept"
    fi
    was=$(report before huge_bytes)
    echo "   before: $((was >> 20)) of" \
        "$(($(report before populated_bytes) >> 20)) MiB in huge pages"
    echo "   in $(report '' sweep_ms) ms, $(report extents collapsed)" \
        "extents of 2 MiB; the longest took $(report '' longest_call_ms) ms"
    show_coverage $destination_qemu
}

# The whole number NAME in the object SECTION of the report.
report() { # SECTION NAME
    sed -n "/\"$1/,\$s/.*\"$2\" *: *\([0-9]*\).*/\1/p" "$scratch/report.json" |
        head -1
}

# Two whole scans from now: the first may have begun before the sweep.
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
    echo "   $(witness acc) accesses, $(witness wrong) wrong words"
}

verdict() {
    wrong=$(witness wrong)
    could=$(report after populated_bytes)
    huge=$(report after huge_bytes)
    step "verdict"
    if [ "$wrong" = 0 ] && [ "${huge:-0}" -ge $((filled << 20)) ] &&
        [ "$huge" -ge $((could / 100 * 99)) ] && [ "$was" -lt $((huge / 2)) ]
    then
        echo "OK: no wrong word, $((was >> 20)) MiB in huge pages before," \
            "$((huge >> 20)) of $((could >> 20)) MiB now"
        return 0
    fi
    echo "FAILED: ${wrong:-?} wrong words, ${was:-?} bytes in huge pages" \
        "before, ${huge:-?} of ${could:-?} now"
    return 1
}

make_scratch collapse
prepare
start_guests
lose_huge_pages
sweep
check_memory
verdict
