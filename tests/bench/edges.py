#!/usr/bin/env python3
"""Speed and memory of `watershed edges` on one core, beside tcpdump copying the same file.

Both run in turns, so that what else the machine does hits both alike. The captures are made once, by
`generate-capture`; what `watershed` finds in them must equal the generator's truth in every total.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

CONCURRENT = 100_000
SNAP_LENGTH = 128
SMALL, LARGE = 2_500_000, 10_000_000  # packets; speed is measured on the large capture
KEY = ("client", "server", "protocol", "port")
TOTALS = ("connections", "packets_to_server", "packets_to_client", "bytes_to_server", "bytes_to_client")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="runs of each program (%(default)s)")
    arguments = parser.parse_args()
    release = target_directory() / "release"
    folder = release.parent / "bench"
    folder.mkdir(exist_ok=True)
    small, large = (capture(release, folder, packets) for packets in (SMALL, LARGE))
    compare_speed(release, folder, large, arguments.rounds)
    compare_memory(release, folder, small, large)
    return 1 if compare_totals(folder / "edges.jsonl", large) else 0


def target_directory() -> Path:
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--offline"]
    return Path(json.loads(subprocess.check_output(command))["target_directory"])


def capture(release: Path, folder: Path, packets: int) -> Path:
    """The capture of that many packets, with its truth beside it; made anew where the generator is newer."""
    path, generator = folder / f"{packets}.pcap", release / "generate-capture"
    truth = path.with_suffix(".truth.jsonl")
    if not truth.exists() or truth.stat().st_mtime < generator.stat().st_mtime:
        sizes = ["--packets", packets, "--concurrent", CONCURRENT, "--snap", SNAP_LENGTH]
        command = map(str, [generator, path, *sizes, "--truth", f"{truth}.new"])
        subprocess.run([*command], check=True)
        os.replace(f"{truth}.new", truth)
    return path


def edges(release: Path, path: Path) -> list[str]:
    return [f"{release}/watershed", "edges", str(path), "--threads", "1", "--format", "json"]


def on_one_core(command: list[str], out: Path) -> subprocess.Popen:
    core = max(os.sched_getaffinity(0))
    return subprocess.Popen(
        ["taskset", "--cpu-list", str(core), *command], stdout=out.open("wb"), stderr=subprocess.PIPE
    )


def cpu_seconds(command: list[str], out: Path) -> float:
    """Seconds of CPU, the kernel's for it included."""
    process = on_one_core(command, out)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    must_succeed(process)
    return usage.ru_utime + usage.ru_stime


def most_memory(command: list[str], out: Path) -> int:
    """Most octets held at a time, pages of mapped files not counted; looked at every five milliseconds."""
    process, most = on_one_core(command, out), 0
    while process.poll() is None:
        status = Path(f"/proc/{process.pid}/status").read_text()
        held = [line.split()[1] for line in status.splitlines() if line.startswith("RssAnon:")]
        most = max(most, *(int(kib) << 10 for kib in held), 0)
        time.sleep(0.005)
    must_succeed(process)
    return most


def must_succeed(process: subprocess.Popen) -> None:
    if process.returncode != 0:
        said = process.stderr.read().decode(errors="replace").strip()
        sys.exit(f"`{' '.join(process.args)}` ended with {process.returncode}: {said}")


def compare_speed(release: Path, folder: Path, path: Path, rounds: int) -> None:
    print(f"{path.name}: {LARGE:,} packets, {path.stat().st_size / 1e6:,.0f} MB, {CONCURRENT:,} connections at a time")
    path.read_bytes()  # both find the file in memory
    print("round  watershed edges  tcpdump -w  ratio   (CPU seconds)")
    ours, theirs = [], []
    for number in range(1, rounds + 1):
        ours.append(cpu_seconds(edges(release, path), folder / "edges.jsonl"))
        theirs.append(cpu_seconds(["tcpdump", "-r", str(path), "-w", "/dev/null"], folder / "tcpdump.out"))
        print(f"{number:5}  {ours[-1]:15.2f}  {theirs[-1]:10.2f}  {ours[-1] / theirs[-1]:5.2f}")
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    typical = statistics.median(ours)
    print(f"median ratio {ratio:.2f} (goal: at most 1.00)")
    print(f"{LARGE / typical / 1e6:.1f} million packets a second of one core, {typical / LARGE * 1e9:.0f} ns each")


def compare_memory(release: Path, folder: Path, small: Path, large: Path) -> None:
    """Four times the packets of as many connections at a time: what grows is the number of edges found."""
    out = folder / "edges.jsonl"
    print("memory beside the mapped file (goal: at most 200 MB, and flat as the file grows)")
    for path, packets in ((small, SMALL), (large, LARGE)):
        megabytes = most_memory(edges(release, path), out) / 1e6
        found = sum(1 for _ in out.open())
        print(f"  {packets:10,} packets: {megabytes:4.0f} MB, with {found:,} edges in it")


def compare_totals(found: Path, path: Path) -> bool:
    """Says where the edges differ from what the generator sent."""
    truth, edges = totals(path.with_suffix(".truth.jsonl")), totals(found)
    wrong = [key for key in truth.keys() | edges.keys() if truth.get(key) != edges.get(key)]
    if not wrong:
        print(f"all {len(truth):,} edges as they were generated, in every total")
    for key in sorted(wrong, key=str)[:10]:
        print(f"wrong: {key}: generated {truth.get(key)}, found {edges.get(key)}")
    if wrong:
        print(f"{len(wrong):,} of {len(truth):,} edges differ from what was generated")
    return bool(wrong)


def totals(path: Path) -> dict[tuple, tuple]:
    with path.open() as lines:
        objects = map(json.loads, lines)
        return {tuple(o[k] for k in KEY): tuple(o[t] for t in TOTALS) for o in objects}


if __name__ == "__main__":
    sys.exit(main())
