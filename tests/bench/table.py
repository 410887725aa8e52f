#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Sums up the runs of run.sh: medians, ratios, verdicts.

Usage: table.py RUNS.jsonl FLOOR.json OUT.json
Prints the table and writes everything, each run included, to OUT.json. Ratios
are Postlude's median over the better of QEMU's two modes, row by row: once
with the same shared file as guest RAM, once with private anonymous memory,
which is QEMU's best case and cannot be compared like with like. Exits with 1
if a run of Postlude failed or its guest found a wrong word.
"""
import json
import os
import platform
import statistics
import sys
import time

GIB = 1 << 30
WAYS = [("native", "file"), ("preempt", "file"), ("native", "private"),
        ("preempt", "private"), ("postlude", "file"), ("tls", "file")]


def at(*path):
    def get(run):
        for name in path:
            run = run[name]
        return run
    return get


def scaled(get, factor):
    return lambda run: get(run) * factor


def coverage(name):
    """Huge part of what could be: for Postlude the extents that hold data."""
    def get(run):
        report = run.get("receive_report")
        whole = (report["huge"]["eligible_bytes"] if report
                 else run["rss_bytes"])
        return 100 * run[f"huge_{name}"] / whole
    return get


def laid_coverage(run):
    huge = run["receive_report"]["huge"]
    return 100 * run["huge_bytes"] / max(1, huge["laid_extents"] << 21)


def sweep(name):
    def get(run):
        huge = run["receive_report"]["huge"]
        return huge[name] / max(1, huge["laid_extents"] << 21) * GIB
    return get


def helper_kib(run):
    return max(run[side]["helper"]["max_rss_kib"]
               for side in ("send_report", "receive_report"))


def own_kib(run):
    return max(run[side]["helper_own_peak_kib"]
               for side in ("source_cpu", "destination_cpu"))


def ratio(limits):
    """Target: at most this fraction of the better native mode, by QEMU."""
    return lambda row, mine, best, run: (
        best is not None and mine <= limits[run["qemu"]] * best,
        f"<= {limits[run['qemu']]} x")


def no_more_than(extra, unit):
    return lambda row, mine, best, run: (
        best is not None and mine <= best + extra, f"<= + {extra} {unit}")


def at_most(limit, text):
    return lambda row, mine, best, run: (mine <= limit(run), text)


def at_least(limit, text):
    return lambda row, mine, best, run: (mine >= limit, text)


def both(value):
    return {"7.2": value, "10.0": value}


# label, value of a run, target, whether a smaller number is compared
ROWS = [
    ("total time, ms", at("total_ms"), ratio(both(0.5))),
    ("  until both sides are done, ms", at("over_ms"), None),
    ("mean stall, us", at("missing", "mean_us"),
     ratio({"7.2": 0.2, "10.0": 0.5})),
    ("p99 stall, us", at("missing", "p99_us"), None),
    ("worst stall, us", at("missing", "worst_us"), None),
    ("stalls", at("missing", "slow"), None),
    ("time stood waiting, ms", scaled(at("missing", "stalled_us"), 1e-3),
     ratio(both(0.3))),
    ("  as long, undisturbed, ms", scaled(at("baseline", "stalled_us"), 1e-3),
     None),
    ("  preparation included, ms", scaled(at("whole", "stalled_us"), 1e-3),
     None),
    ("downtime, ms", at("downtime_ms"), no_more_than(5, "ms")),
    ("destination CPU, ms", at("destination_cpu", "migration_ms"),
     ratio(both(0.5))),
    ("  of it the helper, ms", at("destination_cpu", "helper_ms"), None),
    ("source CPU, ms", at("source_cpu", "migration_ms"), None),
    ("  of it the helper, ms", at("source_cpu", "helper_ms"), None),
    ("huge at the end, %", coverage("bytes"), None),
    ("huge 10 s later, %", coverage("after_bytes"), None),
    ("  of laid extents, %", laid_coverage, at_least(100, ">= 100 %")),
    ("sweep, ms per GiB", sweep("sweep_ms"),
     at_most(lambda run: 5, "<= 5 ms")),
    ("  of it computing", sweep("sweep_cpu_ms"), None),
    ("helper memory, KiB", helper_kib,
     at_most(lambda run: 16384 + 256 * run["ram_mib"] / 1024,
             "<= 16 MiB + 256 KiB/GiB")),
    ("  without pages of files, KiB", own_kib, None),
    ("wrong words, all runs", at("wrong_words"), None),
    ("sent by precopy, KiB",
     scaled(at("query_migrate", "ram", "precopy-bytes"), 1 / 1024), None),
    ("CPU of others, % of one core",
     lambda run: 100 * run["others_cpu_ms"] / max(1, run["over_ms"]), None),
]


def values_of(label, get, runs):
    if label.startswith("huge 10 s"):
        # Only the first round waits that long.
        runs = runs[:1]
    found = []
    for run in runs:
        try:
            found.append(get(run))
        except KeyError:
            pass
    return found


def figure(value):
    if value is None:
        return "-"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}"


def better(row, ram):
    known = [row["median"].get(f"{way} {ram}") for way in ("native", "preempt")]
    known = [value for value in known if value is not None]
    return min(known) if known else None


def sum_up_row(label, get, target, groups):
    row = {"label": label.strip(), "median": {}, "min": {}, "max": {}}
    for way, ram in WAYS:
        values = values_of(label, get, groups.get((way, ram), []))
        if values:
            pick = sum if label.startswith("wrong") else statistics.median
            name = f"{way} {ram}"
            row["median"][name] = pick(values)
            row["min"][name], row["max"][name] = min(values), max(values)
    mine = row["median"].get("postlude file")
    if mine is None:
        return row
    run = groups[("postlude", "file")][0]
    for ram in ("file", "private"):
        best = better(row, ram)
        if best:
            row[f"ratio_{ram}"] = mine / best
        if target:
            met, row["target"] = target(row, mine, best, run)
            if best is not None or "x" not in row["target"]:
                row[f"met_{ram}"] = met
    return row


def verdict(row, ram):
    part = f"{row[f'ratio_{ram}']:.2f}" if f"ratio_{ram}" in row else ""
    if f"met_{ram}" in row and (ram == "file" or part):
        part += " met" if row[f"met_{ram}"] else " MISSED"
    return part.strip()


def print_table(qemu, rows, groups):
    ways = [name for name in WAYS if name in groups]
    counts = ", ".join(f"{way} {ram}: {len(groups[(way, ram)])}"
                       for way, ram in ways)
    version = next(iter(groups.values()))[0]["qemu_version"]
    print(f"\nQEMU {version}: medians (runs: {counts})")
    heads = [f"{way}" for way, ram in ways]
    rams = ["(shared)" if ram == "file" else "(private)" for way, ram in ways]
    print(f"{'':31}" + "".join(f"{head:>10}" for head in heads) +
          f"{'ratio to':>15}{'ratio to':>15}")
    print(f"{'':31}" + "".join(f"{ram:>10}" for ram in rams) +
          f"{'shared':>15}{'private':>15}  target")
    for label, row in rows:
        cells = [figure(row["median"].get(f"{way} {ram}")) for way, ram in ways]
        print(f"{label:31}" + "".join(f"{cell:>10}" for cell in cells) +
              f"{verdict(row, 'file'):>15}{verdict(row, 'private'):>15}"
              f"  {row.get('target', '')}".rstrip())


def read_text(path):
    try:
        with open(path, encoding="utf-8") as text:
            return text.read().strip()
    except OSError:
        return ""


def machine():
    model = [line.split(":", 1)[1].strip()
             for line in read_text("/proc/cpuinfo").splitlines()
             if line.startswith("model name")]
    thp = "/sys/kernel/mm/transparent_hugepage/"
    return {
        "kernel": platform.release(), "cpu": model[0] if model else "",
        "cores": os.cpu_count(),
        "memory_kib": int(read_text("/proc/meminfo").split()[1]),
        "thp": read_text(thp + "enabled"),
        "thp_shmem": read_text(thp + "shmem_enabled"),
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def print_floor(floor):
    print("\nWhat the machine can do (loopback TCP, "
          f"{floor['streams']:.0f} streams):")
    for name, text in (("alone", "alone"),
                       ("beside_a_busy_vcpu", "beside a busy vCPU")):
        f = floor[name]
        print(f"  {text:19} one stream {f['one_stream_mb_per_s']:.0f} MB/s, "
              f"all {f['n_streams_mb_per_s']:.0f}; sendfile "
              f"{f['one_sendfile_mb_per_s']:.0f}, all "
              f"{f['n_sendfile_mb_per_s']:.0f}; 16 B -> 4112 B "
              f"{f['ping_pong_mean_us']:.0f} us mean, "
              f"{f['ping_pong_p50_us']:.0f} p50, "
              f"{f['ping_pong_p99_us']:.0f} p99")


def main():
    with open(sys.argv[1], encoding="utf-8") as lines:
        runs = [json.loads(line) for line in lines]
    text = read_text(sys.argv[2])
    floor = json.loads(text) if text else None
    good = [run for run in runs if "failed" not in run]
    summary = {}
    if floor:
        print_floor(floor)
    for qemu in ("7.2", "10.0"):
        groups = {}
        for run in good:
            if run["qemu"] == qemu:
                groups.setdefault((run["way"], run["ram"]), []).append(run)
        if not groups:
            continue
        rows = [(label, sum_up_row(label, get, target, groups))
                for label, get, target in ROWS]
        summary[qemu] = [row for label, row in rows]
        print_table(qemu, rows, groups)
    with open(sys.argv[3], "w", encoding="utf-8") as out:
        json.dump({"schema": 1, "machine": machine(), "floor": floor,
                   "baseline": "'baseline' of a run is the same guest on the "
                               "source, undisturbed, for as long as 'missing' "
                               "lasted: scheduling alone makes some accesses "
                               "slower than the guest's threshold",
                   "summary": summary, "runs": runs}, out, indent=1)
    print(f"\nAll runs: {sys.argv[3]}")
    bad = [run for run in runs if run["way"] in ("postlude", "tls") and
           ("failed" in run or run["wrong_words"] > 0)]
    for run in runs:
        if run["way"] not in ("postlude", "tls") and ("failed" in run or
                                         run["wrong_words"] > 0):
            print(f"QEMU's own ({run['way']} {run['ram']}, {run['qemu']}): "
                  f"{run.get('failed', 'wrong words in the guest')}")
    for run in bad:
        print(f"FAILED: {run['way']}, QEMU {run['qemu']}: "
              f"{run.get('failed', 'wrong words in the guest')}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
