"""What the chart's pods run, run by the engine: image, arguments, variables, rights, files and probes as Helm renders them.

There is no cluster: each pod is one container with what a kubelet would give it, on the network that the engine has. Kafka and
ClickHouse are those of the Compose project, and so is the traffic.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from alone import IMAGE, NET_RAW, edges, equal, fetch, may_do_nothing_else
from bases import HERE, ROOT
from engine import Engine, said, until

MAP = "http://127.0.0.1:9465"
PODS = {"agent": NET_RAW, "aggregator": 0, "serve": 0}  # the capabilities that each has in the end


def checks(engine: Engine) -> None:
    objects = {(rendered["kind"], rendered["metadata"]["name"]): rendered for rendered in helm()}
    with tempfile.TemporaryDirectory() as folder:
        try:
            ready = {}
            for (kind, _), workload in objects.items():
                if kind in ("DaemonSet", "Deployment"):
                    container, probes = start(engine, workload, objects, Path(folder))
                    ready[container] = probes
            equal(set(ready), set(PODS), "pods of the chart")
            for container, probes in ready.items():
                for probe in probes:
                    until(f"{container} answers {probe}", lambda: fetch(engine, probe))
            until("the demo's edge is on the chart's map", lambda: answered(engine) > 0)
            before = answered(engine)
            until("more of the demo is on the chart's map", lambda: answered(engine) > before)
            for name, held in PODS.items():
                status = engine.status(name)
                may_do_nothing_else(status, "964")
                equal(int(status["CapEff"], 16), held, f"capabilities of {name}")
        finally:
            for name in PODS:
                engine.docker("rm", "--force", "--volumes", name)


def helm() -> list[dict]:
    """Every object of the chart, as Helm's own code renders it."""
    judge = said([str(ROOT / "tests" / "support" / "go-judge"), "deploy"]).strip()
    chart = ["helm", "deploy/helm/watershed", "observe", str((HERE / "chart.yaml").relative_to(ROOT))]
    return [json.loads(line) for line in said([judge, *chart], cwd=ROOT).splitlines()]


def start(engine: Engine, workload: dict, objects: dict, folder: Path) -> tuple[str, list[str]]:
    """Runs a workload's pod; the container's name, and what its probes ask."""
    pod = workload["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    rights = {**pod["securityContext"], **container["securityContext"]}
    options = [f"--name={container['name']}", "--network=host"]
    options += [f"--user={rights['runAsUser']}:{rights['runAsGroup']}", f"--group-add={rights['fsGroup']}"]
    options += [f"--cap-drop={name}" for name in rights["capabilities"]["drop"]]
    options += [f"--cap-add={name}" for name in rights["capabilities"].get("add", [])]
    options += ["--read-only"] if rights["readOnlyRootFilesystem"] else []
    options += [] if rights["allowPrivilegeEscalation"] else ["--security-opt=no-new-privileges:true"]
    options.append(f"--memory={container['resources']['limits']['memory'].removesuffix('i')}")
    for variable in container["env"]:
        # The one field that is asked for is the node's name.
        options.append(f"--env={variable['name']}={variable.get('value', 'node')}")
    volumes = {volume["name"]: volume for volume in pod["volumes"] or []}
    for mount in container["volumeMounts"] or []:
        place = folder / container["name"] / mount["name"]
        place.mkdir(parents=True)
        if "configMap" in volumes[mount["name"]]:
            for name, text in objects["ConfigMap", volumes[mount["name"]]["configMap"]["name"]]["data"].items():
                (place / name).write_text(text)
        options.append(f"--volume={place}:{mount['mountPath']}{':ro' if mount.get('readOnly') else ''}")
    engine.docker("run", "--detach", *options, IMAGE, *container["args"])
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    asked = [container[probe]["httpGet"] for probe in ("livenessProbe", "readinessProbe") if probe in container]
    return container["name"], [f"http://127.0.0.1:{ports.get(get['port'], get['port'])}{get['path']}" for get in asked]


def answered(engine: Engine) -> int:
    """Connections of the demo that the chart's agent saw, which is called as the node is."""
    wanted = ("demo-client", "demo-web", 8080)
    found = [edge for edge in edges(engine, MAP) if (edge["client"], edge["server"], edge["port"]) == wanted]
    return sum(edge["answered"] for edge in found if "node" in edge["observers"])
