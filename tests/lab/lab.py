#!/usr/bin/python3
"""The lab: a small shop in network namespaces. See README.md beside this file. Needs root."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True  # run as root, it would leave root's files in the checkout

from stages import LabError, capture, network, services, truth  # noqa: E402
from stages.drive import ROUNDS, Driver, describe  # noqa: E402

NEEDS = "curl dnsmasq ethtool haproxy ip nginx nmap openssl ping redis-cli redis-server ss tcpdump psql".split()
SIZE_LIMIT = 2_000_000  # the recording is kept with the sources


def main() -> int:
    arguments = parse()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        preflight()
        return {"up": up, "drive": drive, "down": down, "record": record}[arguments.stage](arguments)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"lab: {arguments.stage}: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print("lab: interrupted", file=sys.stderr)
    return 1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    stages = parser.add_subparsers(dest="stage", required=True)
    upping = stages.add_parser("up", help="build the network and start the programs")
    upping.add_argument("--two-nodes", action="store_true", help="the shop on two nodes, with service addresses")
    upping.add_argument("--only", choices=("network", "programs"), help="one half, to do something in between")
    driving = stages.add_parser("drive", help="hold every conversation once; needs `up`")
    driving.add_argument("--keep-going", action="store_true", help="note what fails and go on")
    driving.add_argument("--json", action="store_true", help="print every conversation with whether it succeeded")
    driving.add_argument("--rounds", type=int, default=ROUNDS, help="turns of the shop's traffic (%(default)s)")
    driving.add_argument("--without-scans", action="store_true", help="leave the port scans out")
    stages.add_parser("down", help="end the programs and remove the network")
    recording = stages.add_parser("record", help="up, drive and down, with everything recorded")
    recording.add_argument("--out", type=Path, required=True, help="folder for recording, truth and inventory")
    return parser.parse_args()


def preflight() -> None:
    if os.geteuid() != 0:
        raise LabError("network namespaces need root: run it with sudo")
    missing = [name for name in NEEDS if not shutil.which(name, path=network.ENVIRONMENT["PATH"])]
    if missing:
        packages = Path(__file__).with_name("packages")
        raise LabError(f"not installed: {', '.join(missing)}; install the packages that {packages} lists")


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def up(arguments: argparse.Namespace) -> int:
    if arguments.only != "programs":
        network.destroy()
    try:
        if arguments.only != "programs":
            say("up: network")
            network.build(arguments.two_nodes)
        if arguments.only != "network":
            say("up: programs")
            services.start()
    except BaseException:
        network.destroy()
        raise
    return 0


def drive(arguments: argparse.Namespace) -> int:
    if not network.STATE.exists():
        raise LabError("the lab is not up: run `lab.py up` first")
    outcome = Driver(say, arguments.rounds, not arguments.without_scans, arguments.keep_going).drive()
    if arguments.json:
        print(json.dumps(truth.truth(outcome), indent=1))
    for line in outcome.traffic_failures + [f"{describe(what)}: {why}" for what, why in outcome.failures.items()]:
        say(f"failed: {line}")
    return 1 if outcome.failed() else 0


def down(_: argparse.Namespace) -> int:
    network.destroy()
    return 0


def record(arguments: argparse.Namespace) -> int:
    """Captures from before the first program starts until after the last conversation."""
    network.destroy()
    started = time.monotonic()
    try:
        say("up: network")
        network.build()
        say("record: capture starts")
        running = capture.Capture()
        say("up: programs")
        services.start()
        outcome = Driver(say).drive()
        counted = running.finish()
        write(arguments.out, outcome, counted)
    finally:
        network.destroy()
    say(f"done in {time.monotonic() - started:.0f} s")
    return 0


def write(folder: Path, outcome, counted: list[int]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "shop.pcapng"
    packets = capture.merge(path)
    if packets != counted:
        raise LabError(f"tcpdump captured {counted} packets and its files hold {packets}")
    if path.stat().st_size > SIZE_LIMIT:
        raise LabError(f"{path} has {path.stat().st_size} bytes, more than {SIZE_LIMIT}")
    interfaces = [
        {"name": tap.interface, "sees": tap.sees, "packets": count}
        for tap, count in zip(capture.TAPS, packets, strict=True)
    ]
    recording = {"file": path.name, "packets": sum(packets), "interfaces": interfaces}
    truth.write_truth(outcome, recording, folder / "truth.json")
    truth.write_inventory(folder / "inventory.yaml")
    say(f"record: {sum(packets)} packets, {path.stat().st_size} bytes in {path}; none dropped")


if __name__ == "__main__":
    sys.exit(main())
