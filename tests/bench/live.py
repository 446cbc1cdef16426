#!/usr/bin/env python3
"""How many packets a second one core of an agent captures without loss, and whether loss is counted to the packet.

A sender on one core, an agent on another, a pair of virtual interfaces between two network namespaces: short UDP
packets of 4096 connections. The rate is halved and raised until the highest one without loss is known; then the agent
stands still while as much is sent as can be. What was sent must be what was read and what was reported as dropped. Needs root.
"""

from __future__ import annotations

import argparse
import json
import mmap
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
from array import array
from pathlib import Path

FLOWS, FRAME, SLOT, BLOCK = 4096, 60, 128, 1 << 16  # octets; the kernel's ring has a slot for each connection
SECONDS, STEPS = 3, 6  # of each rate, and how often the interval of rates is halved
HIGHEST = 4_000_000  # packets a second: more than a sender in one thread makes
NAMES = [f"wsbench-{os.getpid()}-{end}" for end in ("a", "b")]
FILTER = "udp and dst portrange 9000-9009"
TOLD = re.compile(r"eth0: (\d+) packets, (\d+) dropped by the kernel, (\d+) by the interface")
SOL_PACKET, PACKET_TX_RING = 263, 13  # linux/if_packet.h


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, help="the agent (target/release/watershed)")
    parser.add_argument("--send", type=float, help=argparse.SUPPRESS)  # the sender: packets a second
    arguments = parser.parse_args()
    if arguments.send is not None:
        print(send(arguments.send))
        return 0
    if os.geteuid() != 0 or len(os.sched_getaffinity(0)) < 2:
        sys.exit("bench-live needs root, for network namespaces, and two cores")
    binary = (arguments.binary or target_directory() / "release" / "watershed").resolve()
    try:
        build()
        return measure(binary)
    finally:
        for name in NAMES:
            subprocess.run(["ip", "netns", "delete", name], check=False)


def target_directory() -> Path:
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--offline"]
    return Path(json.loads(subprocess.check_output(command))["target_directory"])


def build() -> None:
    near, far = NAMES
    for name in NAMES:
        run("ip", "netns", "add", name)
        run(*inside(name), "sh", "-ec", "for f in all default; do echo 1 > /proc/sys/net/ipv6/conf/$f/disable_ipv6; done")
    run("ip", "-n", near, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", far)
    for name in NAMES:
        run("ip", "-n", name, "link", "set", "eth0", "up")


def run(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def inside(name: str) -> list[str]:
    return ["ip", "netns", "exec", name]


def measure(binary: Path) -> int:
    print(f"{FRAME} octets a packet, {FLOWS} connections, {SECONDS} s for each rate, the agent on one core")
    print(f"{'packets/s':>12} {'sent':>12} {'read':>12} {'dropped':>10} {'agent, CPU ns a packet':>24}")
    low, high, wrong = 0, HIGHEST, 0
    fastest = trial(binary, HIGHEST)
    wrong += fastest.missing()
    if fastest.dropped == 0:
        low = high = fastest.rate
    for _ in range(STEPS if fastest.dropped else 0):
        middle = (low + min(high, fastest.rate)) // 2
        tried = trial(binary, middle)
        wrong += tried.missing()
        low, high = (tried.rate, high) if tried.dropped == 0 else (low, middle)
    # An agent that stands still for a while has more to read than its buffer holds, however fast it is.
    wrong += trial(binary, HIGHEST, stands_still=True).missing()
    print(f"{low:,.0f} packets/s on one core without loss")
    print("sent = read + reported as dropped, at every rate" if wrong == 0 else f"{wrong:,} packets were not told of")
    return 1 if wrong else 0


class Trial:
    """What became of packets sent at a rate."""

    def __init__(self, sent: int, seconds: float, read: int, dropped: int, cpu: float):
        self.sent, self.rate, self.read, self.dropped = sent, int(sent / seconds), read, dropped
        print(f"{self.rate:12,} {sent:12,} {read:12,} {dropped:10,} {cpu / max(read, 1) * 1e9:24.0f}", flush=True)

    def missing(self) -> int:
        return abs(self.sent - self.read - self.dropped)


def trial(binary: Path, rate: int, *, stands_still: bool = False) -> Trial:
    here, there = sorted(os.sched_getaffinity(0))[:2]
    with tempfile.TemporaryDirectory() as spool, tempfile.TemporaryFile("w+") as said:
        pinned = [*inside(NAMES[1]), "taskset", "--cpu-list", str(there), str(binary)]
        capture = ["edges", "--interface", "eth0", "--filter", FILTER, "--format", "json"]
        agent = subprocess.Popen([*pinned, *capture], stdout=subprocess.DEVNULL, stderr=said, cwd=spool)
        while "capturing on" not in text(said):
            if agent.poll() is not None:
                sys.exit(f"the agent ended: {text(said)}")
            time.sleep(0.05)
        before = received()
        sender = [*inside(NAMES[0]), "taskset", "--cpu-list", str(here), sys.executable, __file__, "--send", str(rate)]
        if stands_still:
            agent.send_signal(signal.SIGSTOP)
        seconds = float(run(*sender))
        agent.send_signal(signal.SIGCONT)
        sent = received() - before
        agent.send_signal(signal.SIGTERM)
        _, status, usage = os.wait4(agent.pid, 0)
        agent.returncode = os.waitstatus_to_exitcode(status)
        told = TOLD.search(text(said))
        if agent.returncode != 0 or told is None:
            sys.exit(f"the agent ended with {agent.returncode}: {text(said)}")
        read, dropped, by_interface = map(int, told.groups())
        return Trial(sent, seconds, read, dropped + by_interface, usage.ru_utime + usage.ru_stime)


def text(file) -> str:
    file.seek(0)
    return file.read()


def received() -> int:
    """Packets that the far interface has got, whoever looked at them."""
    (link,) = json.loads(run("ip", "-n", NAMES[1], "-json", "-stats", "link", "show", "eth0"))
    return link["stats64"]["rx"]["packets"]


def send(rate: float) -> float:
    """Sends at a rate for a while, by the kernel's ring of packets to send; seconds that it took."""
    raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    raw.setsockopt(SOL_PACKET, PACKET_TX_RING, struct.pack("IIII", BLOCK, FLOWS * SLOT // BLOCK, SLOT, FLOWS))
    raw.bind(("eth0", 0))
    ring = memoryview(mmap.mmap(raw.fileno(), FLOWS * SLOT))
    for number in range(FLOWS):
        # Of a slot: status, length, the rest of its head; the packet comes after 32 octets.
        ring[number * SLOT + 8 : number * SLOT + 12] = struct.pack("I", FRAME)
        ring[number * SLOT + 32 : number * SLOT + 32 + FRAME] = frame(number)
    status, step = ring.cast("Q"), SLOT // 8
    burst = max(1, min(FLOWS // 4, int(rate / 1000)))
    request = array("Q", [1] * burst)
    total, done, place, start = int(rate * SECONDS), 0, 0, time.perf_counter()
    while done < total and time.perf_counter() - start < SECONDS:
        if done / rate > time.perf_counter() - start:
            continue
        burst = min(burst, FLOWS - place, total - done)
        status[place * step : (place + burst) * step : step] = request[:burst]
        raw.send(b"")
        done, place, burst = done + burst, (place + burst) % FLOWS, len(request)
    return time.perf_counter() - start


def frame(number: int) -> bytes:
    """A datagram of its own connection, to a host that is not there, so that nobody answers."""
    ethernet = bytes.fromhex("020000000099" "020000000001" "0800")
    source, target = bytes([10, 77, 0, 1]), bytes([10, 77, 0, 2])
    head = struct.pack(">BBHHHBBH4s4s", 0x45, 0, FRAME - 14, 0, 0, 64, 17, 0, source, target)
    udp = struct.pack(">HHHH", 10_000 + number, 9_000 + number % 10, FRAME - 34, 0)
    return (ethernet + head + udp).ljust(FRAME, b"x")


if __name__ == "__main__":
    sys.exit(main())
