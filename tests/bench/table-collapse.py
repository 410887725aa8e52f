#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Sums up the runs of collapse.sh: medians, and ratios to the same guest.

Usage: table-collapse.py RUNS.jsonl CALM OUT.json
A run in which others took more than CALM percent of one core does not count;
khugepaged's own work is done by a kernel thread and cannot be told from
others', so its runs all count. Pace is a ratio within each run: the guest
while it regains its huge pages over the same guest alone, seconds before.
Exits with 1 if no run of a way counts.
"""
import json
import platform
import statistics
import sys
import time

WAYS = ["none", "default", "fast", "khugepaged", "khugepaged-aggressive"]
GIB = 1 << 30


def pace(stretch):
    return stretch["accesses"] / max(1, stretch["guest_ms"])


def share_stalled(stretch):
    return stretch["stalled_us"] / 10 / max(1, stretch["guest_ms"])


def report(name):
    return lambda r: r["report"][name] if "report" in r else None


def to_95(r):
    return r["to_95_ms"] / 1e3 if r["to_95_ms"] else None


def per_gib(r):
    return (to_95(r) / (0.95 * r["rss_bytes"] / GIB)
            if r["to_95_ms"] else None)


ROWS = [
    ("time to 95% coverage, s", to_95, "%.2f"),
    ("  per GiB, s", per_gib, "%.2f"),
    ("coverage at the end, %",
     lambda r: 100 * r["huge_bytes"] / r["rss_bytes"], "%.1f"),
    ("mean call, ms", lambda r: report("call_ms")(r) / report("calls")(r)
     if "report" in r else None, "%.2f"),
    ("longest call, ms", report("longest_call_ms"), "%.1f"),
    ("mean prefault, ms",
     lambda r: report("prefault_ms")(r) / report("calls")(r)
     if "report" in r else None, "%.2f"),
    ("pace / alone", lambda r: pace(r["regain"]) / pace(r["alone"]), "%.3f"),
    ("pace afterwards / alone",
     lambda r: pace(r["after"]) / pace(r["alone"]), "%.3f"),
    ("stalls per s", lambda r: 1e3 * r["regain"]["slow"] /
     max(1, r["regain"]["guest_ms"]), "%.0f"),
    ("  alone", lambda r: 1e3 * r["alone"]["slow"] /
     max(1, r["alone"]["guest_ms"]), "%.0f"),
    ("p50 stall, us", lambda r: r["regain"]["p50_us"], "%.0f"),
    ("  alone", lambda r: r["alone"]["p50_us"], "%.0f"),
    ("p99 stall, us", lambda r: r["regain"]["p99_us"], "%.0f"),
    ("  alone", lambda r: r["alone"]["p99_us"], "%.0f"),
    ("worst stall, us", lambda r: r["regain"]["worst_us"], "%.0f"),
    ("  alone", lambda r: r["alone"]["worst_us"], "%.0f"),
    ("time stood waiting, %", lambda r: share_stalled(r["regain"]), "%.2f"),
    ("  alone", lambda r: share_stalled(r["alone"]), "%.2f"),
    ("wrong words", lambda r: r["wrong_words"], "%.0f"),
    ("CPU of others, % of one core", lambda r: r["others_percent"], "%.0f"),
]


def counts(run, calm):
    return "failed" not in run and (run["way"].startswith("khugepaged") or
                                    run["others_percent"] <= calm)


def cell(runs, get, form):
    values = [v for v in map(get, runs) if v is not None]
    return form % statistics.median(values) if values else "-"


def main():
    runs_path, calm, out_path = sys.argv[1], float(sys.argv[2]), sys.argv[3]
    with open(runs_path, encoding="utf-8") as f:
        runs = [json.loads(line) for line in f]
    good = {w: [r for r in runs if r["way"] == w and counts(r, calm)]
            for w in WAYS}
    seen = [w for w in WAYS if any(r["way"] == w for r in runs)]
    heads = [w.replace("khugepaged-", "") for w in seen]
    first = next((r for w in seen for r in good[w]), None)
    if first:
        print(f"QEMU {first['qemu']}, {first['accel']}, "
              f"{first['rss_bytes'] / (1 << 20):.0f} MiB in use; khugepaged as found: {first['khugepaged']}")
        print("runs that count: " + ", ".join(
            f"{w} {len(good[w])} of "
            f"{sum(r['way'] == w for r in runs)}" for w in seen))
        print(" " * 30 + "".join(f"{h:>12}" for h in heads))
        for name, get, form in ROWS:
            print(f"{name:<30}" + "".join(
                f"{cell(good[w], get, form):>12}" for w in seen))
        for w in seen:
            if any(r["extrapolated"] for r in good[w]):
                print(f"The time of {w} is extrapolated from the rate of "
                      f"{statistics.median(r['took_ms'] for r in good[w]) / 1e3:.0f} s.")
        for w in seen:
            idle = [r for r in good[w] if w.startswith("khugepaged") and
                    r["huge_bytes"] == 0]
            if idle:
                print(f"{w} made nothing huge in {len(idle)} runs of "
                      f"{max(r['took_ms'] for r in idle) / 1e3:.0f} s.")
    with open(out_path, "w", encoding="utf-8") as f:
        json.dump({"time": time.strftime("%Y-%m-%d %H:%M:%S"),
                   "kernel": platform.release(), "calm_percent": calm,
                   "runs": runs}, f, indent=1)
    missing = [w for w in seen if not good[w]]
    for w in missing:
        print(f"no run of {w} counts: failed, or others were at work")
    return 1 if missing else 0


sys.exit(main())
