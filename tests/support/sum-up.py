#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Sums up meson's log of a test run (one JSON object a line).

Usage: sum-up.py LOG [EXTRA_FAILURE...]
Prints the end of what failing tests wrote, every skip with its reason, and as
the last line "N passed, N failed, N skipped"; a test is one executable, as
meson counts them. A test of which some cases ran and some were skipped has
passed, unless TESTS_MUST_RUN=1, when a skip anywhere is a failure. Each
EXTRA_FAILURE is a line about something that went wrong outside of a test and
counts as one failure. Exits with 1 if anything failed or nothing ran.
"""
import json
import os
import re
import sys

TAIL_LINES = 40
SKIP = re.compile(r"^ok \d+ (?:- )?(\S+).*# SKIP *(.*)$", re.MULTILINE)


def read(path):
    try:
        with open(path, encoding="utf-8") as log:
            return [json.loads(line) for line in log if line.strip()]
    except OSError as error:
        print(f"sum-up: no log of the tests: {error}")
        return []


def skipped_cases(test):
    return SKIP.findall(test.get("stdout") or "")


def show_failure(test):
    print(f"\n=== {test['name']}: {test['result']}")
    output = (test.get("stdout") or "") + (test.get("stderr") or "")
    for line in output.splitlines()[-TAIL_LINES:]:
        print(f"    {line}")


def main():
    must_run = os.environ.get("TESTS_MUST_RUN") == "1"
    extra = sys.argv[2:]
    tests = read(sys.argv[1])
    if not tests:
        extra.append("no test ran")
    passed, failed, skipped = 0, len(extra), 0
    skips = []
    for test in tests:
        cases = skipped_cases(test)
        skips += [f"{test['name']} {case}: {why}" for case, why in cases]
        skip = test["result"] == "SKIP"
        if skip and not cases:
            lines = (test.get("stdout") or "").strip().splitlines()
            skips.append(f"{test['name']}: {lines[-1] if lines else '?'}")
        if test["result"] not in ("OK", "SKIP", "EXPECTEDFAIL") or (
                must_run and (skip or cases)):
            failed += 1
            show_failure(test)
        elif skip:
            skipped += 1
        else:
            passed += 1
    for line in skips:
        print(f"skipped: {line}")
    for line in extra:
        print(f"failed: {line}")
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
