#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What a test run could leave on the host, as text to be compared.
#   left-behind.sh snapshot           prints the state: mounts, cgroups, files
#                                     in /dev/shm, named network namespaces and
#                                     network devices, settings of the memory
#                                     system
#   left-behind.sh compare FILE       prints a line for each difference between
#                                     FILE and now, nothing if there is none;
#                                     not what somebody else has taken away
#   left-behind.sh processes MARK     prints processes whose environment has
#                                     POSTLUDE_TEST_RUN=MARK, but for callers
# Processes are found by a mark in their environment, so that those of others
# on the same host are not taken for ours. libvirt starts QEMU without it: such
# a QEMU is found as a member of the PID namespace of a process that has it.
# Cgroups and files in memory have no such mark, but ours and QEMU's have names.
set -u

snapshot() {
    awk '{print "mount " $5}' /proc/self/mountinfo
    find /sys/fs/cgroup -type d -path '*postlude*' -printf 'cgroup %p\n' \
        2>/dev/null
    find /dev/shm /dev/hugepages -mindepth 1 \
        \( -path '*postlude*' -o -path '*qemu*' \) -printf 'file %p\n' \
        2>/dev/null
    find /run/netns -mindepth 1 -printf 'file %p\n' 2>/dev/null
    find /sys/class/net -mindepth 1 -printf 'network device %f\n' 2>/dev/null
    for setting in /proc/sys/vm/unprivileged_userfaultfd \
        /proc/sys/vm/nr_hugepages /proc/sys/vm/nr_overcommit_hugepages \
        /proc/sys/vm/compaction_proactiveness /proc/sys/vm/swappiness \
        /proc/sys/vm/overcommit_memory /proc/sys/vm/min_free_kbytes \
        /proc/sys/kernel/yama/ptrace_scope \
        /sys/kernel/mm/transparent_hugepage/*enabled \
        /sys/kernel/mm/transparent_hugepage/defrag \
        /sys/kernel/mm/transparent_hugepage/khugepaged/*_ms*; do
        [ -r "$setting" ] && echo "setting $setting = $(cat "$setting")"
    done
}

processes() {
    ours=$(readlink /proc/self/ns/pid)
    spaces=
    for directory in /proc/[0-9]*; do
        pid=${directory#/proc/}
        # Kernel threads and processes that are just ending cannot be opened.
        { tr '\0' '\n' <"$directory/environ"; } 2>/dev/null |
            grep -qx "POSTLUDE_TEST_RUN=$1" || continue
        space=$(readlink "$directory/ns/pid" 2>/dev/null)
        if [ -n "$space" ] && [ "$space" != "$ours" ]; then
            spaces="$spaces $space"
            continue
        fi
        name=$(cat "$directory/comm" 2>/dev/null) || continue
        # Not ourselves, nor the shells that wait for us.
        is_ancestor "$pid" || echo "process $pid ($name)"
    done
    members "$spaces"
}

# Prints each process that is in one of the PID namespaces.
members() { # LIST
    [ -n "$1" ] || return 0
    for directory in /proc/[0-9]*; do
        space=$(readlink "$directory/ns/pid" 2>/dev/null)
        case " $1 " in
        *" ${space:-none} "*)
            echo "process ${directory#/proc/}" \
                "($(cat "$directory/comm" 2>/dev/null)) in $space"
            ;;
        esac
    done
}

is_ancestor() {
    next=$$
    while [ "$next" -gt 1 ]; do
        [ "$next" = "$1" ] && return 0
        next=$(awk '/^PPid:/ {print $2}' "/proc/$next/status" 2>/dev/null)
        next=${next:-0}
    done
    # Our own subshells: gone by now, or children of $$.
    [ "$(awk '/^PPid:/ {print $2}' "/proc/$1/status" 2>/dev/null)" = $$ ]
}

case ${1:-} in
snapshot) snapshot | sort ;;
compare)
    snapshot | sort | diff "$2" - |
        sed -n -e 's/^> /new: /p' \
            -e '/^< \(mount\|setting\) /s/^< /gone: /p'
    ;;
processes) processes "$2" ;;
*)
    echo "usage: $0 snapshot | compare FILE | processes MARK" >&2
    exit 2
    ;;
esac
