"""A container engine of this run's own: Docker's, on a folder and a network namespace that go with it."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

LOOK, TIMES = 0.1, 600  # how often to look whether something has come about, and how many times


class ImageError(Exception):
    """What went wrong, for people."""


def said(command: list[str], **options) -> str:
    """What a program prints, which must succeed."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)
    if done.returncode != 0:
        raise ImageError(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def until(what: str, holds) -> None:
    """Waits until something holds."""
    for _ in range(TIMES):
        if holds():
            return
        time.sleep(LOOK)
    raise ImageError(f"waited in vain until {what}")


class Engine:
    """Builds on the host's network, without touching it, and runs in a namespace, where ports are nobody else's."""

    def __init__(self, folder: Path):
        self.folder, self.daemon, self.namespace = folder, None, f"wsimage-{os.getpid()}"
        # Paths of sockets are short.
        self.socket = f"/run/{self.namespace}.sock"
        folder.mkdir(parents=True, exist_ok=True)

    def build_with(self) -> None:
        """Starts it to build: as a container has the host's network, it needs none of its own."""
        self._start([], ["--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false"])

    def run_with(self) -> None:
        """Ends that, and starts it to run, in the namespace."""
        self.end()
        said(["ip", "netns", "add", self.namespace])
        said(["ip", "-n", self.namespace, "link", "set", "lo", "up"])
        self._start(self.inside(), [])

    def inside(self) -> list[str]:
        # `ip netns exec` would hide the control groups.
        return ["nsenter", f"--net=/run/netns/{self.namespace}"]

    def _start(self, before: list[str], options: list[str]) -> None:
        places = [f"--data-root={self.folder}/data", f"--exec-root=/run/{self.namespace}", f"--pidfile={self.folder}/pid"]
        command = [*before, "dockerd", *places, f"--host=unix://{self.socket}", *options]
        with open(self.folder / "log", "w") as log:
            # Of a session of its own: what ends this program shall let the engine end its containers first.
            quiet = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
            self.daemon = subprocess.Popen(command, start_new_session=True, **quiet)
        until(f"the engine answers; see {self.folder}/log", self._answers)

    def _answers(self) -> bool:
        if self.daemon.poll() is not None:
            raise ImageError(f"the engine ended: {(self.folder / 'log').read_text()[-2000:]}")
        asked = subprocess.run(["docker", "version"], env=self.environment(), capture_output=True)
        return asked.returncode == 0

    def environment(self) -> dict[str, str]:
        return {**os.environ, "DOCKER_HOST": f"unix://{self.socket}", "DOCKER_BUILDKIT": "0"}

    def docker(self, *arguments: str, **options) -> str:
        return said(["docker", *arguments], env=self.environment(), **options).strip()

    def has(self, image: str) -> bool:
        return bool(self.docker("images", "--quiet", image))

    def build(self, image: str, folder: Path, *options: str, file: Path | None = None) -> None:
        """Builds an image by the engine's own builder, on the host's network; what it says goes to a log."""
        log = self.folder / f"{image.replace('/', '-').replace(':', '-')}.log"
        where = ["--file", str(file)] if file else []
        command = ["docker", "build", "--network=host", "--tag", image, *where, *options, str(folder)]
        with open(log, "w") as out:
            done = subprocess.run(command, env=self.environment(), stdout=out, stderr=out)
        if done.returncode != 0:
            raise ImageError(f"{image} could not be built: {log.read_text()[-3000:]}")

    def inspect(self, what: str) -> dict:
        return json.loads(self.docker("inspect", what))[0]

    def status(self, container: str) -> dict[str, str]:
        """What the kernel says of a container's process: proc_pid_status(5)."""
        process = self.inspect(container)["State"]["Pid"]
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def end(self) -> None:
        if self.daemon is not None:
            self.daemon.terminate()
            self.daemon.wait()
            self.daemon = None

    def close(self) -> None:
        """Ends everything that runs, and removes the namespace; images stay for the next run."""
        if self.daemon is not None and self.daemon.poll() is None:
            for container in self.docker("ps", "--all", "--quiet").split():
                self.docker("rm", "--force", "--volumes", container)
        self.end()
        subprocess.run(["ip", "netns", "delete", self.namespace], capture_output=True)
        for mount in (f"/run/{self.namespace}/netns/default", f"/run/{self.namespace}"):
            subprocess.run(["umount", "--quiet", "--lazy", mount], capture_output=True)
        subprocess.run(["rm", "-rf", f"/run/{self.namespace}", self.socket])
