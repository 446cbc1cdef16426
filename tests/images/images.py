#!/usr/bin/env python3
"""The container image, built and run by a real engine, and deploy/compose.yaml up and down with it. See README.md.

Needs root, Linux, and the Debian packages that README.md names.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # run as root, it would leave root's files in the checkout

import alone  # noqa: E402
import bases  # noqa: E402
import up  # noqa: E402
from engine import Engine, ImageError  # noqa: E402

NEEDS = "apt-get busybox cargo curl debootstrap docker dockerd go ip ldd mvn nsenter openssl rustc tar".split()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lto", default="thin", help="how the binary is linked: thin as released, off for less time")
    parser.add_argument("--only", choices=("image", "compose"), help="one half of what is checked")
    parser.add_argument("--as-built", action="store_true", help="take the image of an earlier run as it is")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    missing = [name for name in NEEDS if not shutil.which(name)]
    if os.geteuid() != 0 or missing:
        sys.exit(f"images: needs root, and these programs: {' '.join(missing)}")
    engine = Engine(bases.target() / "images")
    try:
        check(engine, arguments)
    except (ImageError, OSError, subprocess.SubprocessError) as error:
        print(f"images: {error}", file=sys.stderr)
        return 1
    finally:
        engine.close()
    return 0


def check(engine: Engine, arguments: argparse.Namespace) -> None:
    engine.build_with()
    step("the bases, of Debian's packages", bases.bases, engine)
    lto = f"--build-arg=CARGO_PROFILE_RELEASE_LTO={arguments.lto}"
    if not arguments.as_built:
        step("the image", engine.build, alone.IMAGE, bases.ROOT, lto, file=bases.ROOT / "deploy" / "Dockerfile")
    if arguments.only != "image":
        step("what stands in for the other images", bases.stand_ins, engine)
        program = step("Docker Compose", up.compose)
    engine.run_with()
    if arguments.only != "compose":
        step("the image by itself", alone.checks, engine)
    if arguments.only != "image":
        step("the Compose file, up and down, and the chart's pods", up.checks, engine, program)


def step(what: str, does, *arguments, **options):
    began = time.monotonic()
    result = does(*arguments, **options)
    print(f"{what}: {time.monotonic() - began:.0f} s", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
