"""Starts the shop's programs, each in its namespace with its own configuration and data, and waits for them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from . import LabError
from .network import ENVIRONMENT, PROGRAMS, STATE, fill, inside, run, wait_until
from .topology import LISTENERS, NAMES

CONFIG = Path(__file__).resolve().parent.parent / "config"
PYTHON = "/usr/bin/python3"
SCHEMA = """
create role shop login;
create database shop owner shop;
\\connect shop shop
create table product (name text primary key, price numeric not null);
create table purchase (id bigserial primary key, text text not null, at timestamptz not null default now());
insert into product select 'article-' || n, n * 1.25 from generate_series(1, 60) n;
"""


def start() -> None:
    """Starts everything in the order in which the programs need each other."""
    _certificate("front", "shop.example")
    _certificate("payments", "pay.example.net")
    records = [f"--host-record={name},{','.join(addresses)}" for name, addresses in NAMES.items()]
    config = _configure("dns", "dnsmasq.conf")
    _start("dns", "dnsmasq", "--keep-in-foreground", f"--conf-file={config}", "--pid-file=", "--user=root", *records)
    _start("cache", "redis-server", _configure("cache", "redis.conf"))
    _database()
    _start("mon", PYTHON, f"{PROGRAMS}/syslog.py")
    _start("payments", PYTHON, f"{PROGRAMS}/payments.py", f"{STATE}/payments.pem")
    for app in ("app1", "app2"):
        _start(app, PYTHON, f"{PROGRAMS}/app.py", app, f"{STATE}/payments.pem")
    _nginx("ledger", "nginx-ledger.conf")
    for web in ("web1", "web2"):
        _nginx(web, "nginx-web.conf")
    _start("lb", "haproxy", "-db", "-f", _configure("lb", "haproxy.cfg"))


def drop_cache_connections() -> None:
    """Makes both apps open their lasting connection to the cache anew at the next request."""
    for app in ("app1", "app2"):
        run(inside(app, ("kill", "-HUP", (STATE / f"{app}.pid").read_text())))


def log_of(host: str) -> Path:
    return STATE / "logs" / f"{host}.log"


def _certificate(name: str, subject: str) -> None:
    """A certificate that signs itself, with its key, in one file."""
    key, certificate = STATE / f"{name}.key", STATE / f"{name}.crt"
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    what = ["-days", "30", "-subj", f"/CN={subject}", "-addext", f"subjectAltName=DNS:{subject}"]
    run([*new, *what, "-keyout", str(key), "-out", str(certificate)])
    (STATE / f"{name}.pem").write_text(certificate.read_text() + key.read_text())


def _configure(host: str, template: str) -> str:
    """Writes the host's configuration into the lab's folder and returns its path."""
    folder = STATE / host
    folder.mkdir(exist_ok=True)
    path = folder / template
    path.write_text(fill((CONFIG / template).read_text()).replace("@HOST@", host))
    return str(path)


def _nginx(host: str, template: str) -> None:
    config = _configure(host, template)
    if host == "ledger":
        pages = STATE / host / "pages"
        pages.mkdir()
        (pages / "ledger.txt").write_text("".join(f"{n:04} debit {n * 7 % 93:4} credit 0\n" for n in range(400)))
    _start(host, "nginx", "-p", f"{STATE}/{host}", "-e", "stderr", "-c", config)


def _database() -> None:
    """A fresh cluster; PostgreSQL refuses to run as root."""
    data, sockets = STATE / "db" / "data", STATE / "db"
    config = _configure("db", "postgresql.conf")
    _configure("db", "pg_hba.conf")
    shutil.chown(sockets, "postgres", "postgres")
    as_postgres = ("setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "--")
    initdb = ("initdb", "-D", str(data), "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C")
    run(inside("db", (*as_postgres, *initdb)))
    # Not by an answered port: the server listens before it takes queries.
    _spawn("db", *as_postgres, "postgres", "-D", str(data), "-c", f"config_file={config}")
    ready = inside("db", ("pg_isready", "-q", "-h", str(sockets)))
    _await("db", lambda: subprocess.run(ready, env=ENVIRONMENT).returncode == 0)
    psql = ("psql", "-XqwU", "postgres", "-h", str(sockets), "-v", "ON_ERROR_STOP=1", "postgres")
    run(inside("db", (*as_postgres, *psql)), SCHEMA)


def _start(host: str, *command: str) -> None:
    _spawn(host, *command)
    _await(host, lambda: all(_listens(host, *listener) for listener in LISTENERS[host]))


def _spawn(host: str, *command: str) -> None:
    with log_of(host).open("ab") as log:
        process = subprocess.Popen(
            inside(host, command),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=ENVIRONMENT,
            cwd="/",
            start_new_session=True,
        )
    # `ip netns exec` becomes the program, so this is the program's own id.
    (STATE / f"{host}.pid").write_text(str(process.pid))


def _await(host: str, condition) -> None:
    try:
        wait_until(condition, f"{host}: its program is ready")
    except LabError as error:
        log = log_of(host).read_text(errors="replace").strip()
        raise LabError(f"{error}; its log ends with: {log[-1500:]}") from error


def _listens(host: str, protocol: str, port: int) -> bool:
    return bool(run(inside(host, ("ss", "-Hln", f"--{protocol}", "sport", "=", f":{port}"))).strip())
