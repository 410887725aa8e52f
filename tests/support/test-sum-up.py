#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What sum-up.py makes of logs: each case is a log and its last lines. TAP."""
import json
import os
import subprocess
import sys
import tempfile

SUM_UP = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sum-up.py")


def test(name, result="OK", stdout="", seconds=1.0, build="build"):
    return {"name": f"postlude:vm / {name}", "result": result,
            "stdout": stdout, "stderr": "", "duration": seconds,
            "command": [f"/x/{build}/{name}"]}


def run(tests, again=(), extra=(), env=None):
    with tempfile.TemporaryDirectory() as directory:
        paths = []
        for name, log in ("log", tests), ("again", again):
            paths.append(os.path.join(directory, name))
            with open(paths[-1], "w", encoding="utf-8") as file:
                file.writelines(json.dumps(line) + "\n" for line in log)
        environment = {k: v for k, v in os.environ.items()
                       if k != "TESTS_MUST_RUN"}
        done = subprocess.run([sys.executable, SUM_UP, *paths, *extra],
                              env={**environment, **(env or {})},
                              capture_output=True, text=True, check=False)
        names = subprocess.run([sys.executable, SUM_UP, "--failed", paths[0]],
                               env={**environment, **(env or {})},
                               capture_output=True, text=True, check=True)
        return done.returncode, done.stdout, names.stdout.split()


SKIPPED = "1..2\nok 1 /a/runs\nok 2 /a/skips # SKIP {}\n"
KVM = SKIPPED.format("/dev/kvm cannot be used: No such file or directory")
MUST = {"TESTS_MUST_RUN": "1"}
NO_KVM = {**MUST, "POSTLUDE_TEST_KVM": "/nonexistent"}
WITH_KVM = {**MUST, "POSTLUDE_TEST_KVM": "/dev/null"}
BAD = test("b", "FAIL", "it broke here\n")
FOUR = [test(str(n), "FAIL") for n in range(4)]

# name: arguments, status, last line, what else is said, what ran again
CASES = {
    "all-passed": (([test("a", seconds=7)],), 0,
                   "1 passed, 0 failed, 0 skipped", "slowest: a 7 s", []),
    "nothing-ran": (([],), 1, "0 passed, 1 failed, 0 skipped",
                    "failed: no test ran", []),
    "one-failed": (([test("a"), BAD],), 1, "1 passed, 1 failed, 0 skipped",
                   "    it broke here", ["b"]),
    "failed-twice": (([test("a"), BAD], [BAD]), 1,
                     "1 passed, 1 failed, 0 skipped", "b: FAIL", ["b"]),
    "unstable": (([test("a"), BAD], [test("b")]), 0,
                 "2 passed, 0 failed, 0 skipped",
                 "unstable: postlude:vm / b", ["b"]),
    "unstable-shows-why": (([BAD], [test("b")]), 0,
                           "1 passed, 0 failed, 0 skipped",
                           "    it broke here", ["b"]),
    "passed-in-another-build": (([BAD], [test("b", build="other")]), 1,
                                "0 passed, 1 failed, 0 skipped",
                                "b: FAIL", ["b"]),
    "too-many-unstable": ((FOUR, [test(str(n)) for n in range(4)]), 1,
                          "4 passed, 1 failed, 0 skipped",
                          "failed: 4 tests are unstable (at most 3)",
                          ["0", "1", "2", "3"]),
    "outside-of-a-test": (([test("a")], (), ["left behind: 1 things"]), 1,
                          "1 passed, 1 failed, 0 skipped",
                          "failed: left behind: 1 things", []),
    "a-case-skipped": (([test("a", "OK", KVM)],), 0,
                       "1 passed, 0 failed, 0 skipped",
                       "skipped: postlude:vm / a /a/skips: /dev/kvm", []),
    "a-test-skipped": (([test("a", "SKIP", "no such thing")],), 0,
                       "0 passed, 0 failed, 1 skipped",
                       "a : no such thing", []),
    "early-case": (([test("a", "FAIL", "the reason\nnot ok 1 /a\n" +
                           "ok 2 /b\n" * 100)],), 1,
                   "0 passed, 1 failed, 0 skipped", "    the reason", ["a"]),
    "must-run": (([test("a", "OK", SKIPPED.format("no root"))], (), (), MUST),
                 1, "0 passed, 1 failed, 0 skipped", "/a/skips: no root",
                 ["a"]),
    "must-run-without-kvm": (([test("a", "OK", KVM)], (), (), NO_KVM), 0,
                             "1 passed, 0 failed, 0 skipped", "/a/skips", []),
    "must-run-with-kvm": (([test("a", "OK", KVM)], (), (), WITH_KVM), 1,
                          "0 passed, 1 failed, 0 skipped", "/a/skips", ["a"]),
}


def main():
    print(f"1..{len(CASES)}")
    bad = 0
    for n, (name, case) in enumerate(CASES.items(), 1):
        arguments, status, last, said, again = case
        got = run(*arguments)
        good = (got[0] == status and got[1].splitlines()[-1] == last and
                said in got[1] and got[2] == again)
        print(f"{'ok' if good else 'not ok'} {n} /sum-up/{name}")
        if not good:
            bad += 1
            for line in (f"exit {got[0]}, again {got[2]}\n" +
                         got[1]).splitlines():
                print(f"# {line}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
