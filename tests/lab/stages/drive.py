"""Holds every conversation that the topology lists, and says which of them succeeded.

First the shop's real traffic: customers, orders, the scheduled job, the scraper, the overlay, each by name.
Then, for every edge alone, its check; then what must fail, and the scans. A rule set that breaks one edge
breaks one check, whatever depends on that edge further up.
"""

from __future__ import annotations

import subprocess
from collections import Counter
from dataclasses import dataclass, field

from . import LabError
from .network import ENVIRONMENT, fill, inside, wait_until
from .services import drop_cache_connections, log_of
from .topology import (
    CURL,
    EDGES,
    FRONT4,
    REFUSED,
    SCANS,
    SCRAPED,
    UNANSWERED,
    UNKNOWN_NAME,
    Attempt,
    Edge,
    Scan,
)

ROUNDS = 4
REFUSED_CODE, UNANSWERED_CODE = 7, 28
CUSTOMER = ("curl", "-q", "-sS", "-D", "-", "-o", "/dev/null", "--max-time", "20", "--cacert", "@STATE@/front.pem")
REPORT = (
    *("psql", "-XAtqw", "-c", "select count(*), max(at) from purchase"),
    "host=reports.shop.example user=shop dbname=shop connect_timeout=3",
)


@dataclass
class Outcome:
    """What a drive did: connections held for each edge, and each failure with its reason."""

    connections: Counter[Edge] = field(default_factory=Counter)
    failures: dict[Edge | Attempt | Scan, str] = field(default_factory=dict)
    traffic_failures: list[str] = field(default_factory=list)

    def failed(self) -> bool:
        return bool(self.failures or self.traffic_failures)


class Driver:
    """Drives the lab once. With `keep_going` a failure is noted and the next conversation follows."""

    def __init__(self, say, rounds: int = ROUNDS, with_scans: bool = True, keep_going: bool = False) -> None:
        self.say, self.rounds, self.with_scans, self.keep_going = say, rounds, with_scans, keep_going
        self.outcome = Outcome()

    def drive(self) -> Outcome:
        drop_cache_connections()
        self.say(f"drive: the shop's traffic, {self.rounds} times")
        for number in range(1, self.rounds + 1):
            self._round(number)
        self._lookup_of_unknown_name()
        self.say(f"drive: {len(EDGES)} edges, one at a time")
        for edge in EDGES:
            self._check(edge)
        self.say(f"drive: {len(REFUSED)} refused and {len(UNANSWERED)} unanswered connections")
        for attempt in REFUSED:
            self._attempt(attempt, REFUSED_CODE)
        for attempt in UNANSWERED:
            self._attempt(attempt, UNANSWERED_CODE)
        if self.with_scans:
            self.say(f"drive: {len(SCANS)} scans")
            for scan in SCANS:
                self._scan(scan)
        return self.outcome

    def _round(self, number: int) -> None:
        """One turn of the clock: customers browse and buy, the job reports, the monitor scrapes."""
        for client in ("client1", "client2"):
            self._customer(client, "/catalog")
            self._customer(client, "/catalog")
            for _ in range(4):
                self._customer(client, "/orders", "-d", f"{number} of article-{number * 7}")
        self._traffic("job", REPORT, self._edge("job", "db", "tcp", 5432))
        for host, _, port in SCRAPED:
            scrape = (*CURL, f"http://{host}.shop.example:{port}/metrics")
            self._traffic("mon", scrape, self._edge("mon", host, "tcp", port))
        ledger = (*CURL, "http://ledger.backoffice.example:8080/")
        self._traffic("report", ledger, self._edge("report", "ledger", "tcp", 8080))

    def _customer(self, client: str, path: str, *options: str) -> None:
        """A request at the front door; the answer's headers say which servers it went through."""
        address = FRONT4 if client == "client1" else None
        front = next(e for e in EDGES if e.client == client and e.port == 443 and address in (None, e.address))
        answer = self._traffic(client, (*CUSTOMER, *options, f"https://shop.example{path}"), front)
        lines = answer.splitlines()
        headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
        web, app = headers.get("x-web"), headers.get("x-app")
        if not lines or " 200" not in lines[0] or not web or not app:
            self._note(f"{client} asked for {path} and got {lines[:1]} from {web} and {app}")
            return
        self.outcome.connections[self._edge("lb", web, "tcp", 8080)] += 1
        self.outcome.connections[self._edge(web, app, "tcp", 8000)] += 1
        if path == "/orders":
            self.outcome.connections[self._edge(app, "db", "tcp", 5432)] += 1
            self.outcome.connections[self._edge(app, "payments", "tcp", 443)] += 1

    def _lookup_of_unknown_name(self) -> None:
        code, said = _run("app1", ("getent", "ahostsv4", UNKNOWN_NAME))
        if code != 2:
            self._note(f"looking {UNKNOWN_NAME} up ended with {code}, not with 2 for `unknown`: {said}")

    def _traffic(self, host: str, command: tuple[str, ...], edge: Edge) -> str:
        code, said = _run(host, command)
        if code == 0:
            self.outcome.connections[edge] += 1
        else:
            self._note(f"{host}: `{' '.join(command)}` ended with {code}: {said}")
        return said

    def _check(self, edge: Edge) -> None:
        command, wanted = edge.check, 0
        if edge.one_way:
            # The answer never comes; that it arrived stands in the receiver's log.
            mark = f"{edge.check[-1]} check {edge.client} {self.outcome.connections.total()}"
            command, wanted = (*edge.check[:-1], mark), UNANSWERED_CODE
        code, said = _run(edge.client, command)
        arrived = not edge.one_way or self._arrived(edge.server, command[-1])
        if code == wanted and arrived:
            self.outcome.connections[edge] += 1
            return
        self._fail(edge, f"`{' '.join(command)}` ended with {code}: {said}")

    @staticmethod
    def _arrived(server: str, mark: str) -> bool:
        try:
            wait_until(lambda: mark in log_of(server).read_text(errors="replace"), mark, 2)
        except LabError:
            return False
        return True

    def _attempt(self, attempt: Attempt, wanted: int) -> None:
        code, said = _run(attempt.client, attempt.check)
        if code != wanted:
            self._fail(attempt, f"`{' '.join(attempt.check)}` ended with {code}, not {wanted}: {said}")

    def _scan(self, scan: Scan) -> None:
        ports = ("-p", ",".join(map(str, scan.ports))) if scan.ports else ()
        nmap = ("nmap", "-n", "-T4", "--max-retries", "1", "--host-timeout", "20s", *scan.arguments, *ports)
        code, said = _run(scan.source, (*nmap, *scan.targets), 120)
        if code != 0 or f"Nmap done: {len(scan.targets)} IP addresses" not in said:
            self._fail(scan, f"the {scan.kind} scan from {scan.source} ended with {code}: {said}")

    def _edge(self, client: str, server: str, protocol: str, port: int) -> Edge:
        wanted = (client, server, protocol, port)
        return next(e for e in EDGES if (e.client, e.server, e.protocol, e.port) == wanted)

    def _note(self, failure: str) -> None:
        if not self.keep_going:
            raise LabError(failure)
        self.outcome.traffic_failures.append(failure)

    def _fail(self, what: Edge | Attempt | Scan, why: str) -> None:
        if not self.keep_going:
            raise LabError(f"{describe(what)}: {why}")
        self.outcome.failures[what] = why


def describe(what: Edge | Attempt | Scan) -> str:
    """The conversation in one line."""
    if isinstance(what, Scan):
        return f"{what.kind} scan by {what.source}"
    return f"{what.client} -> {getattr(what, 'server', what.address)} {what.protocol}/{what.port}"


def closing_ping(host: str, address: str, pattern: str) -> None:
    """The last packets of a recording: pings that carry `pattern`, hexadecimal, as their payload."""
    code, said = _run(host, ("ping", "-n", "-q", "-c", "1", "-W", "2", "-p", pattern, address))
    if code != 0:
        raise LabError(f"the closing ping from {host} to {address} ended with {code}: {said}")


def _run(host: str, command: tuple[str, ...], seconds: float = 30) -> tuple[int, str]:
    """Exit code and output; `timeout`'s 124 when the program does not end."""
    try:
        done = subprocess.run(
            inside(host, [fill(word) for word in command]),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=ENVIRONMENT,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired:
        return 124, f"no end within {seconds:g} seconds"
    return done.returncode, (done.stdout + done.stderr).strip()
