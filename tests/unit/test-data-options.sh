#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Every option that a verb's --help names is in the verb's section of the man
# page (or the one for all verbs; receive has send's, too) and is completed; and
# nothing is completed that the verb does not take. Takes the program.
set -u
postlude=$1
top=$(dirname "$0")/../..
failed=0
# shellcheck disable=SC1091
. "$top/data/completion/postlude"
virsh() { :; } # no names of domains among the options

options_of() { # VERB
    "$postlude" "$1" --help | grep -o '^  \(-.,\)\? *--[a-z0-9-]*' |
        grep -o -e '--.*' | sort -u
}

man_of() { # SECTION...
    for section in "$@"; do
        awk -v at=".Ss $section" \
            '/^\.S[sh] / {in_it = $0 == at} in_it' "$top/docs/man/postlude.1"
    done | tr ' ' '\n' | sed -n 's/^-[a-z][a-z0-9-]*$/-&/p' | sort -u
}

completed() { # VERB
    COMP_WORDS=(postlude "$1" --)
    COMP_CWORD=2
    _postlude
    printf '%s\n' "${COMPREPLY[@]}" | sort -u
}

verdict() { # NUMBER WHAT REST: nothing must be left
    [ -z "$3" ] || { printf 'not ' && failed=1; }
    echo "ok $1 - $2"
    # shellcheck disable=SC2001
    [ -z "$3" ] || echo "$3" | sed 's/^/# /'
}

verbs="send receive collapse check status"
[ ! -x "${postlude%/*}/postlude-libvirt" ] || verbs="$verbs migrate"
n=0
for verb in $verbs; do
    sections=("$verb" "Options of every verb")
    [ "$verb" != receive ] || sections+=(send)
    options=$(options_of "$verb")
    verdict $((n += 1)) "$verb has options" \
        "$(grep -qx -e --help <<<"$options" || echo "no --help")"
    verdict $((n += 1)) "the man page has those of $verb" \
        "$(comm -23 <(echo "$options") <(man_of "${sections[@]}"))"
    verdict $((n += 1)) "those of $verb are completed" \
        "$(comm -3 <(echo "$options") <(completed "$verb"))"
done
echo 1..$n
exit $failed
