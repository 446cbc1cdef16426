"""Records the lab: tcpdump on the shop's bridge and on the overlay's underlay, merged into one pcapng file."""

from __future__ import annotations

import re
import signal
import struct
import subprocess
from collections.abc import Iterator
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from . import LabError
from .drive import closing_ping
from .network import ENVIRONMENT, STATE, inside, wait_until

CLOSING = b"lab-recorded-end"  # 16 bytes, the most that ping takes as a pattern
SNAPLEN = 262144
NANOSECOND_PCAP = 0xA1B23C4D
ETHERNET = 1
BY_TIME = attrgetter("time")


class Tap(NamedTuple):
    """Where tcpdump listens, and a ping that passes there."""

    namespace: str
    interface: str
    sees: str
    ping_from: str
    ping_to: str


TAPS = (
    Tap("fabric", "shop0", "the shop's bridge: every frame that it forwards, once", "mon", "10.20.0.10"),
    Tap("node-a", "uplink", "the nodes' link: VXLAN outside, the back office inside", "report", "10.30.0.20"),
)


class Packet(NamedTuple):
    """A captured frame."""

    time: int  # nanoseconds since the Unix epoch
    interface: int
    length: int
    data: bytes


class Capture:
    """Two running tcpdumps."""

    def __init__(self) -> None:
        self.processes: list[subprocess.Popen] = []
        for tap in TAPS:
            self._start(tap)

    def _start(self, tap: Tap) -> None:
        log = _log(tap)
        # Immediate and unbuffered: what passed is in the file. The buffer (KiB) holds the whole recording.
        how = ("-n", "-U", "--immediate-mode", "-B", "65536", "--time-stamp-precision=nano", "-Z", "root")
        what = ("-i", tap.interface, "-s", str(SNAPLEN), "-w", str(_file(tap)))
        with log.open("wb") as errors:
            command = inside(tap.namespace, ("tcpdump", *how, *what))
            self.processes.append(
                subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=errors, env=ENVIRONMENT)
            )
        wait_until(lambda: "listening on" in log.read_text(), f"tcpdump listens on {tap.interface}: {log}")

    def finish(self) -> list[int]:
        """Ends the recording behind a last packet on each tap; returns the packets of each."""
        counts = []
        for tap, process in zip(TAPS, self.processes, strict=True):
            closing_ping(tap.ping_from, tap.ping_to, CLOSING.hex())
            # Twice on the underlay's one interface and on the bridge: the request and its answer.
            wait_until(lambda tap=tap: _file(tap).read_bytes().count(CLOSING * 2) >= 2, "the last packet is recorded")
            process.send_signal(signal.SIGINT)
            process.wait(timeout=10)
            counts.append(_counted(tap))
        return counts


def merge(path: Path) -> list[int]:
    """Writes both taps' packets, ordered by time, as pcapng; returns the packets of each tap."""
    # Sorted, not only merged: two processors may hand their packets to one tcpdump out of order.
    packets = sorted(chain.from_iterable(_packets(_file(tap), n) for n, tap in enumerate(TAPS)), key=BY_TIME)
    counts = [0] * len(TAPS)
    with path.open("wb") as out:
        # Section header: byte-order magic, version 1.0, length of the section not stated.
        out.write(_block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        for tap in TAPS:
            options = _option(2, tap.interface.encode()) + _option(3, tap.sees.encode()) + _option(9, b"\x09")
            out.write(_block(1, struct.pack("<HHI", ETHERNET, 0, SNAPLEN) + options + _option(0, b"")))
        for packet in packets:
            high, low = packet.time >> 32, packet.time & 0xFFFFFFFF
            head = struct.pack("<IIIII", packet.interface, high, low, len(packet.data), packet.length)
            out.write(_block(6, head + _padded(packet.data)))
            counts[packet.interface] += 1
    return counts


def _file(tap: Tap) -> Path:
    return STATE / f"{tap.interface}.pcap"


def _log(tap: Tap) -> Path:
    return STATE / "logs" / f"tcpdump-{tap.interface}.log"


def _counted(tap: Tap) -> int:
    """How many packets tcpdump wrote; an error if it missed one."""
    said = _log(tap).read_text()
    found = {what: int(number) for number, what in re.findall(r"(\d+) packets? (.+)", said)}
    if "captured" not in found or any(found.get(f"dropped by {who}") for who in ("kernel", "interface")):
        raise LabError(f"tcpdump on {tap.interface} dropped packets or did not end well: {said.strip()}")
    return found["captured"]


def _packets(path: Path, interface: int) -> Iterator[Packet]:
    """The packets of one of our own pcap files: nanoseconds, this machine's byte order."""
    data = path.read_bytes()
    magic, link_type = struct.unpack_from("=I16xI", data)
    if (magic, link_type) != (NANOSECOND_PCAP, ETHERNET):
        raise LabError(f"{path}: not an Ethernet capture with nanoseconds: {magic:#x}, link type {link_type}")
    place = 24
    while place + 16 <= len(data):
        seconds, nanos, kept, length = struct.unpack_from("=IIII", data, place)
        place += 16 + kept
        yield Packet(seconds * 1_000_000_000 + nanos, interface, length, data[place - kept : place])


def _block(kind: int, body: bytes) -> bytes:
    size = len(body) + 12
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + _padded(value)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
