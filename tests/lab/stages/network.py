"""Namespaces, bridges, routes and the overlay; also how to run a program in one of the namespaces."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

from . import LabError
from .topology import (
    FRONT4,
    FRONT6,
    HOSTS,
    NODES,
    NOWHERE,
    SECOND_NODE,
    SERVICES,
    SHOP_VNI,
    UNDERLAY,
    VNI,
    Host,
)

PREFIX = "ws-"
STATE = Path("/run/watershed-lab")
PROGRAMS = Path(__file__).resolve().parent.parent / "programs"
BRIDGES = ("shop0", "outside0")
OFFLOADS = ("tx", "off", "tso", "off", "gso", "off", "gro", "off")


def _environment() -> dict[str, str]:
    """The same for every program, whatever the caller's proxies, locale and settings are.

    PostgreSQL's programs come first: Debian's wrapper of psql would read the machine's settings.
    """
    postgres = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name))
    paths = [str(path) for path in postgres[-1:]] + ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
    return {"PATH": ":".join(paths), "LC_ALL": "C", "TZ": "UTC", "HOME": str(STATE), "PSQLRC": "/dev/null"}


ENVIRONMENT = _environment()


def fill(text: str) -> str:
    """Puts the lab's folders into a configuration file or an argument."""
    return text.replace("@STATE@", str(STATE)).replace("@PROGRAMS@", str(PROGRAMS))


def inside(host: str, command: tuple[str, ...] | list[str]) -> list[str]:
    """The command that runs `command` in the host's namespace."""
    return ["ip", "netns", "exec", PREFIX + host, *map(fill, command)]


def run(command: list[str], stdin: str | None = None) -> str:
    """Runs a command that must succeed and returns what it printed."""
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, env=ENVIRONMENT, timeout=60)
    if done.returncode != 0:
        raise LabError(f"`{' '.join(command)}` ended with {done.returncode}: {(done.stderr or done.stdout).strip()}")
    return done.stdout


def wait_until(condition, what: str, seconds: float = 15) -> None:
    """Polls until `condition()` is true, and gives up at the deadline."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise LabError(f"{what}: not within {seconds:g} seconds")
        time.sleep(0.02)


def build(two_nodes: bool = False) -> None:
    """Builds every namespace and link; nothing runs in them yet."""
    STATE.mkdir(mode=0o755)
    (STATE / "logs").mkdir()
    for name in ("fabric", "router", *NODES, *HOSTS):
        _namespace(name)
    for bridge in BRIDGES:
        _bridge("fabric", bridge)
    if two_nodes:
        _second_node()
    _overlay()
    for number, host in enumerate(HOSTS.values(), start=1):
        _attach(host, number, "fabric2" if two_nodes and host.name in SECOND_NODE else "fabric")
    _router()
    if two_nodes:
        _service_address()


def destroy() -> None:
    """Ends every process in the lab's namespaces and removes all that `build` made. Safe to repeat."""
    names = [line.split()[0] for line in run(["ip", "netns", "list"]).splitlines()]
    ours = [name for name in names if name.startswith(PREFIX)]
    for signum in (signal.SIGTERM, signal.SIGKILL):
        for name in ours:
            for pid in _processes(name):
                _kill(pid, signum)
        try:
            wait_until(lambda: not any(_processes(name) for name in ours), "programs end", 5)
            break
        except LabError:
            if signum == signal.SIGKILL:
                raise
    for name in ours:
        run(["ip", "netns", "delete", name])
        shutil.rmtree(Path("/etc/netns") / name, ignore_errors=True)
    shutil.rmtree(STATE, ignore_errors=True)


def _processes(namespace: str) -> list[int]:
    return [int(pid) for pid in run(["ip", "netns", "pids", namespace]).split()]


def _kill(pid: int, signum: int) -> None:
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        pass  # it ended between the listing and now


def _namespace(name: str) -> None:
    run(["ip", "netns", "add", PREFIX + name])
    settings = (
        "net/ipv4/conf/all/rp_filter=0",
        "net/ipv4/conf/default/rp_filter=0",
        "net/ipv6/conf/all/disable_ipv6=0",
        "net/ipv6/conf/default/disable_ipv6=0",
        "net/ipv6/conf/default/accept_dad=0",
        "net/ipv6/conf/default/accept_ra=0",
    )
    _sysctl(name, *settings)
    _ip(name, "link set lo up")


def _sysctl(name: str, *settings: str) -> None:
    script = "; ".join(f"echo {value} > /proc/sys/{key}" for key, value in (s.split("=") for s in settings))
    run(inside(name, ("sh", "-ec", script)))


def _ip(name: str, *commands: str) -> None:
    run(["ip", "-n", PREFIX + name, "-batch", "-"], "\n".join(commands) + "\n")


def _link(near: str, device: str, far: str, far_device: str, mac: str = "") -> None:
    """A pair of interfaces without offloads, so that the capture holds the packets a wire would."""
    address = f"address {mac}" if mac else ""
    _ip(near, f"link add {device} {address} type veth peer name {far_device} netns {PREFIX}{far}")
    for name, one in ((near, device), (far, far_device)):
        run(inside(name, ("ethtool", "-K", one, *OFFLOADS)))


def _attach(host: Host, number: int, fabric: str) -> None:
    on_node = host.bridge in NODES
    switch, bridge = (host.bridge, "office0") if on_node else (fabric, host.bridge)
    _link(host.name, "eth0", switch, f"p-{host.name}", f"02:00:00:00:00:{number:02x}")
    _ip(switch, f"link set p-{host.name} master {bridge} up")
    mtu = "mtu 1450" if on_node else ""  # room for the overlay's headers
    # nodad: an address is of use at once; without it services could not bind for a second or two.
    addresses = [f"addr add {a} dev eth0 {_nodad(a)}" for a in host.addresses]
    extra = [f"addr add {a}/{128 if ':' in a else 32} dev eth0 {_nodad(a)}" for a in host.extra]
    routes = [f"route add default via {gateway}" for gateway in host.gateways]
    _ip(host.name, f"link set eth0 {mtu} up", *addresses, *extra, *routes)
    _etc(host)


def _nodad(address: str) -> str:
    return "nodad" if ":" in address else ""


def _etc(host: Host) -> None:
    """What `ip netns exec` lays over /etc: only the lab's own names exist."""
    folder = Path("/etc/netns") / (PREFIX + host.name)
    folder.mkdir(parents=True, exist_ok=True)
    hosts = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in host.files.items())]
    (folder / "hosts").write_text("\n".join(hosts) + "\n")
    (folder / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")
    nameserver = "nameserver 10.20.0.53\n" if host.bridge == "shop0" else ""
    (folder / "resolv.conf").write_text(f"{nameserver}search .\noptions timeout:1 attempts:2\n")


def _bridge(name: str, bridge: str) -> None:
    _ip(name, f"link add {bridge} type bridge mcast_snooping 0 stp_state 0", f"link set {bridge} up")


def _second_node() -> None:
    """The shop's bridge reaches over two nodes, by an overlay over a link with room for its headers."""
    _namespace("fabric2")
    _bridge("fabric2", "shop0")
    _link("fabric", "uplink", "fabric2", "uplink")
    for name, own, peer in (("fabric", *UNDERLAY), ("fabric2", *reversed(UNDERLAY))):
        _ip(
            name,
            f"addr add {own}/30 dev uplink",
            "link set uplink mtu 1600 up",
            f"link add vxlan{SHOP_VNI} type vxlan id {SHOP_VNI} local {own} remote {peer} dstport 4789 dev uplink",
        )
        run(inside(name, ("ethtool", "-K", f"vxlan{SHOP_VNI}", *OFFLOADS)))
        _ip(name, f"link set vxlan{SHOP_VNI} master shop0 up")


def _service_address() -> None:
    """A service address of each family that the first node translates to a web server, as Kubernetes' nodes do."""
    rules = "".join(
        f"{family} daddr {address} tcp dport 80 dnat {family} to {target}; " for family, address, target in SERVICES
    )
    chain = f"chain in {{ type nat hook prerouting priority dstnat; {rules}}}"
    run(inside("router", ("nft", f"table inet service {{ {chain}; }}")))


def _overlay() -> None:
    """One layer-2 segment over two nodes: a bridge on each, VXLAN between them, a link below."""
    _link("node-a", "uplink", "node-b", "uplink", "02:00:00:00:01:01")
    for node, own in NODES.items():
        (peer,) = (address for other, address in NODES.items() if other != node)
        _ip(
            node,
            f"addr add {own}/30 dev uplink",
            "link set uplink up",
            f"link add vxlan{VNI} type vxlan id {VNI} local {own} remote {peer} dstport 4789 dev uplink",
            "link add office0 type bridge mcast_snooping 0 stp_state 0",
            f"link set vxlan{VNI} master office0 up",
            "link set office0 up",
        )


def _router() -> None:
    _sysctl("router", "net/ipv4/ip_forward=1", "net/ipv6/conf/all/forwarding=1")
    _link("router", "in0", "fabric", "p-router-in", "02:00:00:00:02:01")
    _link("router", "out0", "fabric", "p-router-out", "02:00:00:00:02:02")
    _ip("fabric", "link set p-router-in master shop0 up", "link set p-router-out master outside0 up")
    inner = ("10.20.0.1/24", "fd00:20::1/64")
    outer = ("203.0.113.1/24", "198.51.100.1/24", "2001:db8:113::1/64")
    _ip(
        "router",
        "link set in0 up",
        "link set out0 up",
        *(f"addr add {a} dev in0 {_nodad(a)}" for a in inner),
        *(f"addr add {a} dev out0 {_nodad(a)}" for a in outer),
        f"route add {FRONT4}/32 via 10.20.0.10",
        f"route add {FRONT6}/128 via fd00:20::10",
        f"route add blackhole {NOWHERE}/32",
    )
