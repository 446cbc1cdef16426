"""What the lab consists of: hosts, listeners, names, and every conversation that it holds.

This file is the truth. The other stages build what it says, hold the conversations that it lists and
write it down; nothing in it is derived from a capture.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address

VNI = 42
FRONT4, FRONT6 = "192.0.2.10", "2001:db8:80::10"
NOWHERE = "198.51.100.99"  # the router drops it without a word


@dataclass(frozen=True)
class Host:
    """A network namespace with one interface, `eth0`, on one bridge."""

    name: str
    bridge: str
    addresses: tuple[str, ...]  # with prefix length
    labels: dict[str, str]
    gateways: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()  # addresses without a link of their own
    files: dict[str, str] = field(default_factory=dict)  # /etc/hosts entries: name -> address

    def all_addresses(self) -> list[str]:
        return [a.split("/")[0] for a in self.addresses] + list(self.extra)

    def address_towards(self, other: str) -> str:
        """The address this host uses when it speaks to `other`: its first of the same family."""
        version = ip_address(other).version
        return next(a for a in self.all_addresses() if ip_address(a).version == version)


def _shop(name: str, number: int, role: str, extra: tuple[str, ...] = ()) -> Host:
    labels = {"role": role, "app": "shop", "env": "lab", "loc": "site-a"}
    addresses = (f"10.20.0.{number}/24", f"fd00:20::{number}/64")
    return Host(name, "shop0", addresses, labels, ("10.20.0.1", "fd00:20::1"), extra)


def _outside(name: str, address: str, gateway: str, labels: dict[str, str], files: dict[str, str]) -> Host:
    return Host(name, "outside0", (address,), labels, (gateway,), files=files)


def _office(name: str, node: str, number: int, role: str) -> Host:
    labels = {"role": role, "app": "backoffice", "env": "lab", "loc": "site-a" if node == "node-a" else "site-b"}
    files = {"ledger.backoffice.example": "10.30.0.20"}
    return Host(name, node, (f"10.30.0.{number}/24",), labels, files=files)


HOSTS = {
    host.name: host
    for host in (
        _shop("lb", 10, "lb", (FRONT4, FRONT6)),
        _shop("web1", 11, "web"),
        _shop("web2", 12, "web"),
        _shop("app1", 21, "app"),
        _shop("app2", 22, "app"),
        _shop("db", 30, "db"),
        _shop("cache", 40, "cache"),
        _shop("dns", 53, "dns"),
        _shop("mon", 60, "monitoring"),
        _shop("job", 70, "job"),
        _shop("intruder", 200, "unknown"),
        _outside("client1", "203.0.113.11/24", "203.0.113.1", {}, {"shop.example": FRONT4}),
        _outside("client2", "2001:db8:113::12/64", "2001:db8:113::1", {}, {"shop.example": FRONT6}),
        _outside("payments", "198.51.100.7/24", "198.51.100.1", {}, {}),
        _outside("scanner", "198.51.100.66/24", "198.51.100.1", {}, {}),
        _office("report", "node-a", 10, "report"),
        _office("ledger", "node-b", 20, "ledger"),
    )
}
NODES = {"node-a": "172.16.0.1", "node-b": "172.16.0.2"}

# With `--two-nodes` these of the shop run on a second node; an overlay joins the two, and the first translates
# service addresses: family, address (port 80), and who stands behind it.
SECOND_NODE = ("app1", "app2", "db", "cache")
UNDERLAY, SHOP_VNI = ("172.16.1.1", "172.16.1.2"), 43
SERVICES = [("ip", "192.0.2.80", "10.20.0.11:8080"), ("ip6", "2001:db8:80::80", "[fd00:20::12]:8080")]

# The zone that the shop's DNS server serves, and the names that it must not know.
NAMES = {
    "app1.shop.example": ["10.20.0.21"],
    "app2.shop.example": ["10.20.0.22"],
    "cache.shop.example": ["10.20.0.40"],
    "db.shop.example": ["fd00:20::30"],
    "lb.shop.example": ["10.20.0.10"],
    "mon.shop.example": ["10.20.0.60"],
    "pay.example.net": ["198.51.100.7"],
    "reports.shop.example": ["10.20.0.30"],
    "web1.shop.example": ["10.20.0.11"],
    "web2.shop.example": ["10.20.0.12"],
}
UNKNOWN_NAME = "old-db.shop.example"

# What answers where: the only open ports of the shop.
LISTENERS = {
    "lb": [("tcp", 80), ("tcp", 443), ("tcp", 8404)],
    "web1": [("tcp", 8080), ("tcp", 8081)],
    "web2": [("tcp", 8080), ("tcp", 8081)],
    "app1": [("tcp", 8000)],
    "app2": [("tcp", 8000)],
    "db": [("tcp", 5432)],
    "cache": [("tcp", 6379)],
    "dns": [("tcp", 53), ("udp", 53)],
    "mon": [("udp", 514)],
    "payments": [("tcp", 443)],
    "ledger": [("tcp", 8080)],
}


@dataclass(frozen=True)
class Edge:
    """A service that a client may use. `check` runs on the client and proves this edge alone:

    it goes to the address, so that it does not lean on DNS, and touches nothing further down.
    """

    client: str
    server: str
    address: str
    protocol: str
    port: int
    check: tuple[str, ...]
    names: tuple[str, ...] = ()
    one_way: bool = False
    vni: int | None = None


@dataclass(frozen=True)
class Attempt:
    """A connection that must fail, in a way that curl's exit codes name: 7 refused, 28 no answer."""

    client: str
    address: str
    protocol: str
    port: int
    check: tuple[str, ...]


@dataclass(frozen=True)
class Scan:
    """A port scan or a ping sweep; ICMP has no ports."""

    source: str
    kind: str
    protocol: str
    targets: tuple[str, ...]
    ports: tuple[int, ...]
    arguments: tuple[str, ...]


CURL = ("curl", "-q", "-sSf", "-o", "/dev/null", "--connect-timeout", "3", "--max-time", "8")


def http(url: str, name: str, port: int, address: str, *options: str) -> tuple[str, ...]:
    bracketed = f"[{address}]" if ":" in address else address
    return (*CURL, *options, "--resolve", f"{name}:{port}:{bracketed}", url)


def _sql(address: str) -> tuple[str, ...]:
    return ("psql", "-XAtqw", "-c", "select 1", f"host={address} user=shop dbname=shop connect_timeout=3")


def _ping(address: str, count: int = 3) -> tuple[str, ...]:
    return ("ping", "-n", "-q", "-c", str(count), "-i", "0.2", "-W", "2", address)


def _udp(address: str, port: int, text: str) -> tuple[str, ...]:
    return ("/usr/bin/python3", "@PROGRAMS@/udp.py", address, str(port), text)


def _front_edges() -> list[Edge]:
    secure, plain, name = "https://shop.example/healthz", "http://shop.example/", ("shop.example",)
    tls = ("--cacert", "@STATE@/front.pem")
    edges = [
        Edge("client1", "lb", FRONT4, "tcp", 443, http(secure, name[0], 443, FRONT4, *tls), name),
        Edge("client2", "lb", FRONT6, "tcp", 443, http(secure, name[0], 443, FRONT6, *tls), name),
        Edge("client1", "lb", FRONT4, "tcp", 80, http(plain, name[0], 80, FRONT4), name),
    ]
    for web, address in (("web1", "10.20.0.11"), ("web2", "10.20.0.12")):
        name = f"{web}.shop.example"
        check = http(f"http://{name}:8080/healthz", name, 8080, address)
        edges.append(Edge("lb", web, address, "tcp", 8080, check, (name, "shop.example")))
    return edges


def _shop_edges() -> list[Edge]:
    edges = []
    apps = (("app1", "10.20.0.21"), ("app2", "10.20.0.22"))
    for web in ("web1", "web2"):
        for app, address in apps:
            name = f"{app}.shop.example"
            check = http(f"http://{name}:8000/healthz", name, 8000, address)
            edges.append(Edge(web, app, address, "tcp", 8000, check, (name, "shop.example")))
        edges.append(
            Edge(web, "mon", "10.20.0.60", "udp", 514, _udp("10.20.0.60", 514, "<14>lab"), ("mon.shop.example",), True)
        )
    redis = ("timeout", "3", "redis-cli", "-h", "10.20.0.40", "ping")
    pay = http("https://pay.example.net/", "pay.example.net", 443, "198.51.100.7", "--cacert", "@STATE@/payments.pem")
    for app, _ in apps:
        edges.append(Edge(app, "db", "fd00:20::30", "tcp", 5432, _sql("fd00:20::30"), ("db.shop.example",)))
        edges.append(Edge(app, "cache", "10.20.0.40", "tcp", 6379, redis, ("cache.shop.example",)))
        edges.append(Edge(app, "payments", "198.51.100.7", "tcp", 443, pay, ("pay.example.net",)))
    edges.append(Edge("job", "db", "10.20.0.30", "tcp", 5432, _sql("10.20.0.30"), ("reports.shop.example",)))
    return edges


SCRAPED = (
    ("lb", "10.20.0.10", 8404),
    ("web1", "10.20.0.11", 8081),
    ("web2", "10.20.0.12", 8081),
    ("app1", "10.20.0.21", 8000),
    ("app2", "10.20.0.22", 8000),
)


def _watch_edges() -> list[Edge]:
    edges = []
    for host, address, port in SCRAPED:
        name = f"{host}.shop.example"
        check = http(f"http://{name}:{port}/metrics", name, port, address)
        edges.append(Edge("mon", host, address, "tcp", port, check, (name,)))
    edges.append(Edge("mon", "db", "fd00:20::30", "icmp6", 128, _ping("fd00:20::30")))
    edges.append(Edge("mon", "lb", "10.20.0.10", "icmp", 8, _ping("10.20.0.10")))
    lookup = ("getent", "ahostsv4", "mon.shop.example")
    for host in ("lb", "web1", "web2", "app1", "app2", "job", "mon"):
        edges.append(Edge(host, "dns", "10.20.0.53", "udp", 53, lookup))
    return edges


def _office_edges() -> list[Edge]:
    name = "ledger.backoffice.example"
    check = http(f"http://{name}:8080/", name, 8080, "10.30.0.20")
    return [
        Edge("report", "ledger", "10.30.0.20", "tcp", 8080, check, (name,), vni=VNI),
        Edge("report", "ledger", "10.30.0.20", "icmp", 8, _ping("10.30.0.20"), vni=VNI),
    ]


EDGES = _front_edges() + _shop_edges() + _watch_edges() + _office_edges()

REFUSED = [
    Attempt("app1", "10.20.0.40", "tcp", 6380, (*CURL, "http://10.20.0.40:6380/")),
    Attempt("app2", "10.20.0.60", "udp", 8125, _udp("10.20.0.60", 8125, "orders:1|c")),
]
UNANSWERED = [
    Attempt("app1", NOWHERE, "tcp", 443, (*CURL, f"https://{NOWHERE}/")),
    Attempt("job", NOWHERE, "udp", 123, _udp(NOWHERE, 123, "what time is it")),
]

_PORTS = tuple(range(20, 100)) + (443, 3306, 5432, 6379, 8000, 8080, 8081)
_FAVOURITES = (22, 80, 443, 5432, 6379, 8000, 8080)
_SHOP = tuple(f"10.20.0.{number}" for number in (10, 11, 12, 21, 22, 30, 40, 53, 60, 70))
SCANS = [
    Scan("scanner", "syn", "tcp", ("10.20.0.11", "10.20.0.30", "10.20.0.40"), _PORTS, ("-sS", "-Pn")),
    Scan("scanner", "udp", "udp", ("10.20.0.53", "10.20.0.60"), (53, 123, 161, 514), ("-sU", "-Pn")),
    Scan("intruder", "ping", "icmp", _SHOP, (), ("-sn", "-PE", "--disable-arp-ping")),
    Scan("intruder", "connect", "tcp", _SHOP, _FAVOURITES, ("-sT", "-Pn", "--disable-arp-ping")),
]
