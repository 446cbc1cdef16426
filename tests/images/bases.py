"""The images that others are made from, made here of Debian's packages where no registry is to be had.

Of the same names as the real ones, so that nothing else knows the difference. What the host trusts and where its packages
come from is passed on: it may be behind a proxy.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from engine import Engine, ImageError, said

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RELEASE = "bookworm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
# What the toolchain's image has beside the toolchain, as far as it is used.
TOOLS = "ca-certificates g++ gcc libc6-dev make patch perl pkg-config python3 xz-utils"
BUSYBOX = ["httpd", "sh", "sleep", "wget"]


def bases(engine: Engine) -> None:
    if not engine.has(f"debian:{RELEASE}-slim"):
        debian(engine)
    if not engine.has(rust()):
        toolchain(engine)


def rust() -> str:
    """The image that the Dockerfile begins with."""
    named = re.search(r"^FROM (rust:\S+)", (ROOT / "deploy" / "Dockerfile").read_text(), re.M)
    return named[1]


def mirrors() -> dict[str, str]:
    """Where the host's apt has Debian and its security updates from."""
    lines = said(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"]).split("\n")
    found = {release: place for place, _, release in (line.partition(" ") for line in lines)}
    if RELEASE not in found:
        raise ImageError(f"apt of this machine knows no packages of Debian {RELEASE}: the bases are made of those")
    return {suite: found[suite] for suite in (RELEASE, f"{RELEASE}-security") if suite in found}


def debian(engine: Engine) -> None:
    places = mirrors()
    with tempfile.TemporaryDirectory(dir=engine.folder) as folder:
        root = Path(folder) / "root"
        said(["debootstrap", "--variant=minbase", "--include=ca-certificates", RELEASE, str(root), places[RELEASE]])
        (root / "etc/apt/sources.list").unlink(missing_ok=True)
        (root / "etc/resolv.conf").unlink(missing_ok=True)
        entry = "Types: deb\nURIs: {}\nSuites: {}\nComponents: main\nSigned-By: {}\n"
        entries = [entry.format(place, suite, KEYRING) for suite, place in places.items()]
        (root / "etc/apt/sources.list.d/debian.sources").write_text("\n".join(entries))
        for authority in Path("/usr/local/share/ca-certificates").glob("*.crt"):
            shutil.copy(authority, root / "usr/local/share/ca-certificates")
        said(["chroot", str(root), "update-ca-certificates"])
        without = ["var/cache/apt/*", "var/lib/apt/lists/*", "usr/share/doc", "usr/share/locale", "usr/share/man"]
        take(engine, root, f"debian:{RELEASE}-slim", *(f"--exclude=./{path}" for path in without))


def take(engine: Engine, root: Path, image: str, *options: str) -> None:
    """An image of one layer, of what a folder holds."""
    tar = subprocess.Popen(["tar", "-C", str(root), *options, "-c", "."], stdout=subprocess.PIPE)
    engine.docker("import", "-", image, stdin=tar.stdout)
    tar.stdout.close()
    if tar.wait() != 0:
        raise ImageError(f"{root} could not be packed")


def toolchain(engine: Engine) -> None:
    """The toolchain that this machine builds with, which must be of the image's release."""
    wanted = re.search(r"rust:([\d.]+)", rust())[1]
    root = Path(said(["rustc", f"+{wanted}.0", "--print", "sysroot"]).strip())
    with tempfile.TemporaryDirectory(dir=engine.folder) as folder:
        install = f"apt-get update && apt-get install --yes --no-install-recommends {TOOLS} && rm -rf /var/lib/apt/lists/*"
        lines = [f"FROM debian:{RELEASE}-slim", f"RUN {install}", "COPY . /usr/local/"]
        (Path(folder) / "Dockerfile").write_text("\n".join(lines))
        for part in ("bin", "lib"):
            shutil.copytree(root / part, Path(folder) / part, symlinks=True, copy_function=link)
        engine.build(rust(), Path(folder))


def link(source: str, place: str) -> None:
    """A file at another place, without its octets a second time where that is possible."""
    try:
        os.link(source, place)
    except OSError:
        shutil.copy2(source, place)


def stand_ins(engine: Engine) -> None:
    """The real parts that the tests use, under the names and with the ports of the images that compose.yaml names."""
    compose = said(["sed", "-n", "s/^    image: //p", str(ROOT / "deploy" / "compose.yaml")]).split()
    image = {name.rpartition("/")[2].partition(":")[0]: name for name in compose}
    support = ROOT / "tests" / "support"
    # Each is named by what it is made of, and made anew when that changes.
    if not engine.has(image["busybox"]):
        with tempfile.TemporaryDirectory(dir=engine.folder) as folder:
            bin = Path(folder) / "bin"
            bin.mkdir()
            shutil.copy("/bin/busybox", bin / "busybox")
            for name in BUSYBOX:
                (bin / name).symlink_to("busybox")
            take(engine, Path(folder), image["busybox"], "--owner=0", "--group=0")
    with tempfile.TemporaryDirectory(dir=engine.folder) as folder:
        jars = target() / "kafka"
        said([str(support / "kafka" / "kafka"), "fetch", str(jars)])
        (version,) = jars.iterdir()
        shutil.copytree(HERE / "kafka", folder, dirs_exist_ok=True)
        shutil.copytree(version, Path(folder) / "libs")
        engine.build(image["kafka"], Path(folder))
    with tempfile.TemporaryDirectory(dir=engine.folder) as folder:
        python = said([str(support / "clickhouse" / "python")]).strip()
        packages = json.loads(said([python, "-c", "import json, site; print(json.dumps(site.getsitepackages()))"]))[0]
        shutil.copytree(HERE / "clickhouse", folder, dirs_exist_ok=True)
        shutil.copy(support / "clickhouse" / "server.py", folder)
        for package in ("chdb", "chdb_core.libs", "lz4"):
            shutil.copytree(Path(packages) / package, Path(folder) / "packages" / package)
        engine.build(image["clickhouse-server"], Path(folder))
    engine.build(image["prometheus"], HERE / "prometheus")


def target() -> Path:
    command = ["cargo", "metadata", "--format-version", "1", "--no-deps", "--offline"]
    return Path(json.loads(said(command, cwd=ROOT))["target_directory"])
