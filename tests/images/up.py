"""deploy/compose.yaml as it stands, up and down: what its demo traffic does is on the map that it serves."""

from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import quote

import chart
from alone import NET_RAW, edges, equal, fetch, logs, may_do_nothing_else
from bases import HERE, ROOT, target
from engine import Engine, ImageError, said, until

MAP = "http://127.0.0.1:9466"
PROMETHEUS = "http://127.0.0.1:9090"
OURS = ("agent", "aggregator", "serve")


class Project:
    """What Compose makes of the file."""

    def __init__(self, engine: Engine, program: Path):
        self.engine = engine
        files = [ROOT / "deploy" / "compose.yaml", HERE / "compose.yaml"]
        named = [f"--file={file}" for file in files]
        self.command = [str(program), "--profile=demo", *named]

    def tell(self, *arguments: str) -> str:
        return said([*self.command, *arguments], env=self.engine.environment())

    def container(self, service: str) -> str:
        return self.tell("ps", "--all", "--quiet", service).strip()


def compose() -> Path:
    """Docker Compose, built from its Go module the first time; quick afterwards."""
    program = target() / "compose"
    if not program.exists():
        part = program.with_suffix(".part")
        build = ["nice", "-n", "15", "go", "build", "-trimpath", "-ldflags=-s -w", "-o", str(part)]
        module = "github.com/docker/compose/v2/cmd"
        # One package at a time: the compiler takes a gigabyte for the largest.
        said([*build, module], cwd=HERE / "compose", env={**os.environ, "GOFLAGS": "-p=1"})
        part.rename(program)
    return program


def checks(engine: Engine, program: Path) -> None:
    project = Project(engine, program)
    try:
        # As it stands in docs/install.md, but that nothing is fetched or built: that was done.
        project.tell("up", "--detach", "--no-build", "--pull=never")
        the_demo_is_on_the_map(project)
        processes_may_do_nothing_else(project)
        prometheus_scrapes_them(project)
        it_goes_on_after_a_restart(project)
        they_end_when_they_are_told(project)
        chart.checks(engine)
    except ImageError as error:
        raise ImageError(f"{error}\n{project.tell('logs', '--tail=40')[-8000:]}") from None
    finally:
        project.tell("down", "--volumes", "--timeout=1")


def connections(project: Project) -> int:
    """Of the demo's edge on the served map, where the inventory has given both ends their names."""
    wanted = ("demo-client", "demo-web", 8080)
    found = [edge for edge in edges(project.engine, MAP) if (edge["client"], edge["server"], edge["port"]) == wanted]
    return sum(edge["answered"] for edge in found)


def the_demo_is_on_the_map(project: Project) -> None:
    """From the agent by Kafka, the aggregator and ClickHouse, and it goes on."""
    until("the demo's edge is on the map", lambda: connections(project) > 0)
    before = connections(project)
    until("more of the demo is on the map", lambda: connections(project) > before)
    if "<title>" not in fetch(project.engine, f"{MAP}/"):
        raise ImageError("the map has no page")


def processes_may_do_nothing_else(project: Project) -> None:
    status = {service: project.engine.status(project.container(service)) for service in OURS}
    for service in OURS:
        may_do_nothing_else(status[service], "964")
        root = project.engine.inspect(project.container(service))["HostConfig"]["ReadonlyRootfs"]
        equal(root, True, f"read-only root of {service}")
    held = {service: int(status[service]["CapEff"], 16) for service in OURS}
    equal(held, {"agent": NET_RAW, "aggregator": 0, "serve": 0}, "capabilities")


def prometheus_scrapes_them(project: Project) -> None:
    query = f"{PROMETHEUS}/api/v1/query?query={quote('sum(up)')}"
    until("Prometheus scrapes both", lambda: '"2"]' in fetch(project.engine, query))


def it_goes_on_after_a_restart(project: Project) -> None:
    """Kafka and ClickHouse have their data where they keep them, and everybody finds the others again."""
    before = connections(project)
    project.tell("restart", "kafka", "clickhouse", "aggregator")
    until("the demo goes on after a restart", lambda: connections(project) > before)


def they_end_when_they_are_told(project: Project) -> None:
    containers = {service: project.container(service) for service in OURS}
    project.tell("stop", *OURS)
    ends = {service: project.engine.inspect(container)["State"]["ExitCode"] for service, container in containers.items()}
    equal(ends, dict.fromkeys(OURS, 0), "how they ended")
    last = logs(project.engine, containers["agent"], "--stderr")
    if ", 0 octets wait in the spool" not in last:
        raise ImageError(f"the agent ended with something in its spool: {last[-1000:]}")
