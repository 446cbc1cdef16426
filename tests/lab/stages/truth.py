"""Writes down what was driven: `truth.json` and `inventory.yaml`. Nothing here looks at a capture."""

from __future__ import annotations

import json
from pathlib import Path

from .drive import Outcome
from .topology import (
    EDGES,
    HOSTS,
    LISTENERS,
    NAMES,
    NODES,
    REFUSED,
    SCANS,
    UNANSWERED,
    UNKNOWN_NAME,
    VNI,
    Attempt,
    Edge,
    Scan,
)

BACKGROUND = [
    {"protocol": "arp", "ports": [], "why": "IPv4 neighbours ask for each other's link-layer addresses"},
    {
        "protocol": "icmp6",
        "ports": [130, 131, 132, 133, 134, 135, 136, 143],
        "why": "IPv6 neighbour discovery, router solicitations and multicast listener reports",
    },
    {
        "protocol": "icmp",
        "ports": [3],
        "why": "destination unreachable: how a host refuses UDP, to refused connections and to the UDP scan",
    },
]

# Networks and outside hosts that the inventory knows; the scanner and the intruder are nobody in it.
NETWORKS = [
    ("customers", ["203.0.113.0/24", "2001:db8:113::/64"], {"role": "customer", "app": "internet"}),
    ("payments", ["198.51.100.7"], {"role": "payments", "app": "partner"}),
    ("shop-network", ["10.20.0.0/24", "fd00:20::/64"], {"app": "shop", "env": "lab", "loc": "site-a"}),
    ("node-a", ["172.16.0.1"], {"role": "node", "app": "fabric", "env": "lab", "loc": "site-a"}),
    ("node-b", ["172.16.0.2"], {"role": "node", "app": "fabric", "env": "lab", "loc": "site-b"}),
]
NOBODY = ("scanner", "intruder")


def truth(outcome: Outcome) -> dict:
    """All conversations of a drive, each with `succeeded`; the lists are sorted."""
    hosts = {name: host.all_addresses() for name, host in HOSTS.items()} | {n: [a] for n, a in NODES.items()}
    edges = [_edge(edge, outcome) for edge in EDGES] + _outer_edges(outcome)
    return {
        "hosts": dict(sorted(hosts.items())),
        "edges": sorted(edges, key=lambda e: (e["client"], e["server"], e["protocol"], e["port"])),
        "names": dict(sorted(NAMES.items())),
        "unknown_names": [UNKNOWN_NAME],
        "refused": [_attempt(attempt, outcome) for attempt in REFUSED],
        "unanswered": [_attempt(attempt, outcome) for attempt in UNANSWERED],
        "scans": [_scan(scan, outcome) for scan in SCANS],
        "background": BACKGROUND,
        "failures": outcome.traffic_failures,
    }


def write_truth(outcome: Outcome, recording: dict, path: Path) -> None:
    path.write_text(json.dumps({"recording": recording, **truth(outcome)}, indent=1) + "\n")


def write_inventory(path: Path) -> None:
    """YAML by hand: the values are plain words and addresses, the addresses quoted."""
    entries = list(NETWORKS)
    for host in HOSTS.values():
        if host.labels and host.name not in NOBODY:
            entries.append((host.name, host.all_addresses(), host.labels))
    lines = ["# Who is who in the lab. Written by lab.py."]
    for name, addresses, labels in sorted(entries):
        quoted = ", ".join(f'"{address}"' for address in addresses)
        lines += [f"- addresses: [{quoted}]", f"  name: {name}"]
        lines += [f"  labels: {{{', '.join(f'{key}: {value}' for key, value in labels.items())}}}"]
    path.write_text("\n".join(lines) + "\n")


def _edge(edge: Edge, outcome: Outcome) -> dict:
    entry = {
        "client": HOSTS[edge.client].address_towards(edge.address),
        "server": edge.address,
        "protocol": edge.protocol,
        "port": edge.port,
        "answered": not edge.one_way,
        "one_way": edge.one_way,
        "minimum_connections": outcome.connections[edge],
        "names": sorted(edge.names),
        "client_name": edge.client,
        "server_name": edge.server,
        **_succeeded(edge, outcome),
    }
    return entry if edge.vni is None else {**entry, "vni": edge.vni}


def _outer_edges(outcome: Outcome) -> list[dict]:
    """VXLAN sends from a port of its own to 4789 in each direction: two edges, neither ever answered."""
    inner = [edge for edge in EDGES if edge.vni == VNI]
    used = any(outcome.connections[edge] for edge in inner)
    return [
        {
            "client": NODES[client],
            "server": NODES[server],
            "protocol": "udp",
            "port": 4789,
            "answered": False,
            "one_way": True,
            "tunnel": {"kind": "vxlan", "vni": VNI},
            "minimum_connections": int(used),
            "names": [],
            "client_name": client,
            "server_name": server,
            "succeeded": used,
        }
        for client, server in (("node-a", "node-b"), ("node-b", "node-a"))
    ]


def _attempt(attempt: Attempt, outcome: Outcome) -> dict:
    return {
        "client": HOSTS[attempt.client].address_towards(attempt.address),
        "server": attempt.address,
        "protocol": attempt.protocol,
        "port": attempt.port,
        "client_name": attempt.client,
        **_succeeded(attempt, outcome),
    }


def _scan(scan: Scan, outcome: Outcome) -> dict:
    return {
        "source": HOSTS[scan.source].address_towards(scan.targets[0]),
        "kind": scan.kind,
        "protocol": scan.protocol,
        "targets": list(scan.targets),
        "ports": list(scan.ports),
        # As for edges, a connection is answered when its handshake completes: a SYN scan never lets it.
        "answered": [] if scan.kind == "syn" else _open(scan),
        "open": _open(scan),
        "source_name": scan.source,
        **_succeeded(scan, outcome),
    }


def _open(scan: Scan) -> list[dict]:
    """Which probes bring an answer that is no refusal: each ping, and each port where a program replies."""
    if not scan.ports:
        return [{"target": target, "port": 8} for target in scan.targets]
    owners = {address: host.name for host in HOSTS.values() for address in host.all_addresses()}
    found = []
    for target in scan.targets:
        listeners = LISTENERS.get(owners[target], [])
        # The log host listens on UDP and says nothing.
        talking = [port for protocol, port in listeners if protocol == scan.protocol and port != 514]
        found += [{"target": target, "port": port} for port in sorted(talking) if port in scan.ports]
    return found


def _succeeded(what: Edge | Attempt | Scan, outcome: Outcome) -> dict:
    why = outcome.failures.get(what)
    return {"succeeded": True} if why is None else {"succeeded": False, "why": why}
