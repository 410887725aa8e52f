#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Sums up meson's logs of a test run (one JSON object a line).

Usage: sum-up.py LOG AGAIN [EXTRA_FAILURE...]
       sum-up.py --failed LOG
LOG has what ran first, AGAIN what of it failed and ran again, alone. Prints
what failing tests wrote last, the slowest ten, every skip with its reason, and
as the last line "N passed, N failed, N skipped"; a test is one executable, as
meson counts them. Each EXTRA_FAILURE is a line about something that went wrong
outside of a test and counts as one failure. Exits with 1 if anything failed or
nothing ran.

A test that failed and then passed has passed, and is listed as unstable with
what it wrote the first time; more than UNSTABLE_MOST of them are a failure.
A test of which some cases ran and some were skipped has passed. With
TESTS_MUST_RUN=1 a skip anywhere is a failure, but for one whose reason is that
there is no /dev/kvm on a machine that has none.
--failed prints the names of the tests that failed, one a line.
"""
import json
import os
import re
import sys

TAIL_LINES = 40
SLOWEST = 10
UNSTABLE_MOST = 3
SKIP = re.compile(r"^ok \d+ (?:- )?(\S+).*# SKIP *(.*)$", re.MULTILINE)


def read(path):
    try:
        with open(path, encoding="utf-8") as log:
            return [json.loads(line) for line in log if line.strip()]
    except OSError as error:
        print(f"sum-up: no log of the tests: {error}", file=sys.stderr)
        return []


def name_of(test):
    return test["name"].split(" / ")[-1]


def output_of(test):
    return (test.get("stdout") or "") + (test.get("stderr") or "")


def skips_of(test):
    """(case, reason) of each case that was skipped, or of the whole test."""
    cases = SKIP.findall(test.get("stdout") or "")
    if test["result"] == "SKIP" and not cases:
        lines = (test.get("stdout") or "").strip().splitlines()
        return [("", lines[-1] if lines else "?")]
    return cases


def may_skip(reason):
    if os.environ.get("TESTS_MUST_RUN") != "1":
        return True
    return "/dev/kvm" in reason and not os.path.exists(
        os.environ.get("POSTLUDE_TEST_KVM", "/dev/kvm"))


def has_failed(test):
    return (test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL") or
            not all(may_skip(reason) for _, reason in skips_of(test)))


def telling_lines(lines):
    """What a case that failed has written before it, and the end."""
    end = len(lines) - TAIL_LINES
    for number, line in enumerate(lines[:max(end, 0)]):
        if line.startswith("not ok"):
            return lines[max(number - TAIL_LINES, 0):number + 1] + ["..."] + \
                lines[-TAIL_LINES // 4:]
    return lines[-TAIL_LINES:]


def show(test, word):
    print(f"\n=== {test['name']}: {word}")
    for line in telling_lines(output_of(test).splitlines()):
        print(f"    {line}")


def show_slowest(tests):
    slowest = sorted(tests, key=lambda test: -test["duration"])[:SLOWEST]
    print("\nslowest: " + ", ".join(
        f"{name_of(test)} {test['duration']:.0f} s" for test in slowest))


def show_skips(tests):
    for test in tests:
        for case, reason in skips_of(test):
            print(f"skipped: {test['name']} {case}: {reason}")


def sum_up(tests, again, extra):
    # A command names the build as well.
    healed = {str(test["command"]) for test in again if not has_failed(test)}
    failed, unstable, skipped = [], [], []
    for test in tests:
        if has_failed(test):
            known = str(test["command"]) in healed
            (unstable if known else failed).append(test)
        elif test["result"] == "SKIP":
            skipped.append(test)
    for test in failed:
        show(test, test["result"])
    for test in unstable:
        show(test, "unstable: failed, and passed when it ran again, alone")
    show_slowest(tests)
    show_skips(tests)
    for test in unstable:
        print(f"unstable: {test['name']}")
    if len(unstable) > UNSTABLE_MOST:
        extra = extra + [f"{len(unstable)} tests are unstable "
                         f"(at most {UNSTABLE_MOST})"]
    for line in extra:
        print(f"failed: {line}")
    passed = len(tests) - len(failed) - len(skipped)
    n_failed = len(failed) + len(extra)
    print(f"{passed} passed, {n_failed} failed, {len(skipped)} skipped")
    return 1 if n_failed else 0


def main():
    if sys.argv[1] == "--failed":
        for test in filter(has_failed, read(sys.argv[2])):
            print(name_of(test))
        return 0
    tests = read(sys.argv[1])
    extra = sys.argv[3:] + ([] if tests else ["no test ran"])
    return sum_up(tests, read(sys.argv[2]), extra)


if __name__ == "__main__":
    sys.exit(main())
