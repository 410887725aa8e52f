#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The shape of the house, checked: who may include whom, which room may reach
# for which third party, and how long things may get (HACKING.md).
#
#   check-layers.sh [ROOT]    one line per violation, exit 1 if there is any
#   check-layers.sh --prove   plants one violation of each kind in a tree of its
#                             own, and fails unless each is found
set -u
LC_ALL=C
export LC_ALL

FILE_LINES=700
FUNCTION_LINES=80
COLUMNS_MAX=100

five="attach uffd wire qmp collapse"

# The rooms of migrate, a row a line, from the ground up: a room may include what
# lies in rows below its own, and no other room of its own row.
migrate_rows() {
    cat <<'END'
migrate/core
migrate/ram
migrate/pages migrate/send migrate/device migrate/confine migrate/sweep
migrate/takeover
migrate/session migrate/check
migrate/link
migrate/drive
migrate/story migrate/show
END
}

# All rows below the one of ROOM; all rows, if it is in none.
migrate_below() {
    migrate_rows | while read -r row; do
        case " $row " in
        *" $1 "*) break ;;
        esac
        echo "$row"
    done | tr '\n' ' '
}

# What a room may include of ours, beside itself.
allowed() {
    case $1 in
    base) echo "" ;;
    attach | uffd | wire | qmp | collapse) echo "base" ;;
    migrate/*) echo "base $five $(migrate_below "$1")" ;;
    libvirt) echo "base $five migrate/core migrate/check migrate/show" ;;
    cli) echo "base $five $(migrate_below none) libvirt" ;;
    esac
}

folders="base $five migrate libvirt cli"
rooms="base $five $(migrate_below none) libvirt cli"

files() { # SUFFIX...
    for suffix in "$@"; do
        find $folders tests examples data -name "*.$suffix" -type f 2>/dev/null
    done | grep -v '^tests/guest/linux/' | sort
}

# Prints each #include "ROOM/..." of ROOM that no arrow allows.
check_includes() {
    for room in $rooms; do
        [ -d "$room" ] || continue
        may=" $room $(allowed "$room") "
        grep -Hn '^ *# *include "' "$room"/*.[ch] 2>/dev/null |
        while IFS=: read -r file line text; do
            header=${text#*\"}
            header=${header%%\"*}
            case $header in
            */*) ;;
            *)
                echo "$file:$line: \"$header\" is not written from the root"
                continue
                ;;
            esac
            case $may in
            *" ${header%/*} "*) ;;
            *) echo "$file:$line: $room/ may not include $header" ;;
            esac
        done
    done
}

# Sources lie in a room that has arrows.
check_rooms() {
    for file in $(find $folders -name '*.[ch]' -type f 2>/dev/null); do
        case " $(echo $rooms) " in
        *" ${file%/*} "*) ;;
        *) echo "$file:1: ${file%/*} is not a room" ;;
        esac
    done
}

# x.c and x.h are one noun; nouns that include each other, on whatever way round,
# are one thing in pieces.
check_circles() {
    for room in $rooms; do
        for file in "$room"/*.[ch]; do
            [ -f "$file" ] || continue
            sed -n 's|^ *# *include "\(.*\)\.h".*|\1|p' "$file" |
                sed "s|^|${file%.[ch]} |"
        done
    done | awk '$1 != $2' | tsort 2>&1 >/dev/null |
    sed -n 's|^tsort: \([^:]*/[^:]*\)$|\1: in a circle of includes|p' | sort -u
}

# REGEX may occur in the rooms and tests only in files that match WHERE.
only_in() { # WHAT REGEX WHERE
    # shellcheck disable=SC2046
    grep -HnE "$2" $(files c h) /dev/null | grep -vE "^($3)" |
        sed "s|^\([^:]*:[0-9]*\):.*|\1: $1|"
}

check_third_parties() {
    only_in 'ptrace is for attach/ alone' \
        '^ *# *include <(sys|linux)/ptrace.h>|(^|[^_a-zA-Z"])ptrace\(' \
        'attach/|tests/'
    only_in '<linux/userfaultfd.h> belongs in uffd/ and attach/' \
        '^ *# *include <linux/userfaultfd.h>' \
        'uffd/|attach/|tests/kernel/|tests/host/|tests/bench/'
    only_in 'JSON is for qmp/, migrate-json and the status' \
        '^ *# *include <json-glib/' \
        'qmp/|migrate/core/migrate-json\.[ch]|migrate/show/migrate-status\.c|tests/'
    only_in 'TLS is for wire/wire-tls alone' \
        '^ *# *include <(gnutls|openssl)/' 'wire/wire-tls[-.]|tests/'
    only_in 'libvirt is for libvirt/ alone' \
        '^ *# *include <libvirt/' 'libvirt/|tests/libvirt/'
    only_in 'XML trees are for libvirt/ alone' \
        '^ *# *include <libxml/' 'libvirt/|tests/libvirt/'
    only_in 'exit() is for cli/; return an error' \
        '(^|[^_a-zA-Z."])exit\(' 'cli/|tests/|examples/'
}

# A function's body starts at a lone { and ends at a lone } in column 0.
check_sizes() {
    # shellcheck disable=SC2046
    awk -v file_lines=$FILE_LINES -v function_lines=$FUNCTION_LINES \
        -v columns=$COLUMNS_MAX '
        FNR == 1 {
            if (NR > 1 && lines > file_lines)
                print name ":" lines ": more than " file_lines " lines"
            name = FILENAME; start = 0
        }
        { lines = FNR }
        length($0) > columns {
            print FILENAME ":" FNR ": more than " columns " columns"
        }
        /^\{/ { start = FNR; next }
        /^\}/ {
            if (start && FNR - start - 1 > function_lines)
                print FILENAME ":" start ": a function of " FNR - start - 1 \
                    " lines (at most " function_lines ")"
            start = 0
        }
        END {
            if (lines > file_lines)
                print name ":" lines ": more than " file_lines " lines"
        }' $(files c h) /dev/null
}

check_licences() {
    for file in $(files c h S sh py); do
        head -n 3 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0-or-later' ||
            echo "$file:1: no SPDX-License-Identifier: GPL-2.0-or-later"
    done
}

# A name in an error message or a build log must say which file is meant.
check_names() {
    files c h | sed 's|.*/||' | sort | uniq -d |
    while read -r name; do
        echo "$name: more than one file of this name"
    done
}

check_all() {
    check_includes
    check_rooms
    check_circles
    check_third_parties
    check_sizes
    check_licences
    check_names
}

plant() { # FILE, its text on stdin behind an SPDX line
    mkdir -p "$(dirname "$1")"
    { echo '/* SPDX-License-Identifier: GPL-2.0-or-later */'; cat; } >"$1"
}

plant_all() {
    echo '#include "wire/wire-link.h"' | plant base/up.c
    echo '#include "uffd/uffd-map.h"' | plant wire/sideways.c
    echo '#include "cli/cli.h"' | plant migrate/story/to-cli.c
    echo '#include "migrate/session/migrate-session.h"' | plant migrate/ram/upwards.c
    echo '#include "migrate/send/migrate-push.h"' | plant migrate/pages/beside.c
    echo '#include "migrate/link/migrate-lobby.h"' | plant libvirt/too-deep.c
    echo 'int y;' | plant migrate/roomless.c
    echo '#include "uffd/ring-b.h"' | plant uffd/ring-a.c
    echo '#include "uffd/ring-c.h"' | plant uffd/ring-b.h
    echo '#include "uffd/ring-a.h"' | plant uffd/ring-c.c
    echo '#include "error.h"' | plant base/unrooted.c
    echo '#include <sys/ptrace.h>' | plant migrate/device/tracer.c
    echo '    ptrace(PTRACE_CONT, 1, 0, 0);' | plant cli/calls.c
    echo '#include <linux/userfaultfd.h>' | plant migrate/pages/faults.c
    echo '#include <json-glib/json-glib.h>' | plant migrate/show/json.c
    echo '#include <gnutls/gnutls.h>' | plant wire/tls.c
    echo '#include <libvirt/libvirt.h>' | plant cli/virt.c
    echo '#include <libxml/tree.h>' | plant migrate/confine/tree.c
    echo '    exit(1);' | plant qmp/leaves.c
    yes '/* long */' | head -n 700 | plant base/file.c
    { echo 'f(void)'; echo '{'; yes '    g();' | head -n 81; echo '}'; } |
        plant base/function.c
    printf '/*%0100d*/\n' 0 | plant base/wide.c
    echo 'int x;' >base/free.c
    echo 'int x;' | plant wire/twice.c
    echo 'int x;' | plant qmp/twice.c
    # And what is allowed, to the last line and column.
    { echo '#include <sys/ptrace.h>'; echo '#include "base/error.h"'; } |
        plant attach/fine.c
    { echo '#include "migrate/ram/migrate-ram.h"'
      echo '#include "migrate/pages/fine-down.h"'; } | plant migrate/pages/fine-down.c
    { echo 'f(void)'; echo '{'; yes '    g();' | head -n 80; echo '}'
      printf '/*%096d*/\n' 0; yes '/* x */' | head -n 600
      echo '    _exit(0);'; } | plant uffd/fine-too.c
}

prove() {
    tree=$(mktemp -d) || exit 1
    trap 'rm -rf "$tree"' EXIT
    cd "$tree" || exit 1
    mkdir -p $rooms
    plant_all
    found=$(check_all)
    bad=0
    for name in base/up.c wire/sideways.c migrate/story/to-cli.c \
        migrate/ram/upwards.c migrate/pages/beside.c libvirt/too-deep.c \
        migrate/roomless.c uffd/ring-a uffd/ring-b uffd/ring-c \
        base/unrooted.c migrate/device/tracer.c cli/calls.c \
        migrate/pages/faults.c migrate/show/json.c wire/tls.c cli/virt.c \
        migrate/confine/tree.c qmp/leaves.c base/file.c base/function.c \
        base/wide.c base/free.c twice.c; do
        n=$(printf '%s\n' "$found" | grep -c "^$name:")
        [ "$n" -eq 1 ] || { echo "$name: found $n times, not once"; bad=1; }
    done
    extra=$(printf '%s\n' "$found" | grep -c '/fine')
    [ "$extra" -eq 0 ] || { echo "what is allowed was refused"; bad=1; }
    [ $bad -eq 0 ] && echo "each planted violation was found"
    [ $bad -eq 0 ] || printf '%s\n' "$found"
    return $bad
}

if [ "${1:-}" = --prove ]; then
    prove
    exit
fi
cd "${1:-$(dirname "$0")/..}" || exit 1
found=$(check_all)
[ -z "$found" ] && exit 0
printf '%s\n' "$found"
exit 1
