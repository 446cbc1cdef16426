"""The image by itself: what it holds, and that it works with the least that it can be given."""

from __future__ import annotations

import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

from engine import Engine, ImageError, said, until

IMAGE = "watershed:local"
BINARY = "usr/local/bin/watershed"
# Everything that is in the image. An engine adds what every container has, such as /etc/hosts.
HOLDS = {BINARY, "etc/passwd", "etc/group", "etc/ssl/certs/ca-certificates.crt"}
ADDED = {".dockerenv", "etc/hostname", "etc/hosts", "etc/resolv.conf", "etc/mtab", "dev/console"}
USER = "964"
NET_RAW = 1 << 13  # linux/capability.h
# What agents have in deploy/compose.yaml and in the chart.
AGENT = [
    "--network=host", "--user=0:0", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges:true",
    *(f"--cap-add={name}" for name in ("NET_RAW", "SETUID", "SETGID", "CHOWN", "SETPCAP")),
]  # fmt: skip
AS_USER = ["--env=WATERSHED_CAPTURE_USER=watershed"]
NOTHING = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges:true"]
LONE = "http://127.0.0.1:9464"
ASKED = 20  # connections that are made


def checks(engine: Engine) -> None:
    holds_the_binary_and_nothing_it_could_need(engine)
    runs_as_nobody_who_matters(engine)
    with_traffic(engine, agents_capture_with_one_capability)
    with_traffic(engine, one_host_by_itself_keeps_what_it_saw)
    trusts_whom_the_image_trusts(engine)


def holds_the_binary_and_nothing_it_could_need(engine: Engine) -> None:
    about = engine.inspect(IMAGE)
    container = engine.docker("create", IMAGE)
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "image.tar"
        engine.docker("export", "--output", str(archive), container)
        with tarfile.open(archive) as tar:
            files = {member.name for member in tar if not member.isdir()} - ADDED
            state = tar.getmember("var/lib/watershed")
            tar.extract(BINARY, folder, filter="fully_trusted")
        equal(files, HOLDS, "files of the image")
        equal((state.uid, state.gid, state.mode & 0o7777), (964, 964, 0o755), "owner and rights of the state")
        linked = subprocess.run(["ldd", f"{folder}/{BINARY}"], capture_output=True, text=True)
        equal((linked.stdout + linked.stderr).strip(), "statically linked", "what the binary links")
    engine.docker("rm", container)
    equal(about["Config"]["User"], "964:964", "user of the image")
    equal(about["Config"]["Labels"]["org.opencontainers.image.licenses"], "Apache-2.0", "licence of the image")
    print(f"  {about['Size'] / 1e6:.1f} MB, one static binary")


def runs_as_nobody_who_matters(engine: Engine) -> None:
    version = engine.docker("run", "--rm", "--network=none", *NOTHING, IMAGE, "--version")
    if not version.startswith("watershed "):
        raise ImageError(f"--version says {version}")
    store = ["run", "--interface", "any", "--store", "sqlite:/tmp/edges.db"]
    refused = ["run", "--rm", *NOTHING, "--tmpfs=/tmp:mode=1777", IMAGE, *store]
    failed = subprocess.run(["docker", *refused], env=engine.environment(), capture_output=True, text=True)
    if failed.returncode == 0 or "capturing needs root" not in failed.stderr:
        raise ImageError(f"capturing without the right to it: {failed.returncode}, {failed.stderr}")


def with_traffic(engine: Engine, check) -> None:
    """Runs a check with two containers, one of which can be asked by the other."""
    web = ["--name=web", "busybox:1.37", "httpd", "-f", "-p", "8080", "-h", "/etc"]
    engine.docker("run", "--detach", *web)
    try:
        address = engine.inspect("web")["NetworkSettings"]["IPAddress"]
        check(engine, address)
    finally:
        engine.docker("rm", "--force", "web")


def ask(engine: Engine, address: str) -> None:
    """So many connections to a server, of one client."""
    loop = f"i=0; while [ $i -lt {ASKED} ]; do wget -q -O /dev/null http://{address}:8080/hosts; i=$((i+1)); done"
    engine.docker("run", "--rm", "busybox:1.37", "sh", "-c", loop)


def agents_capture_with_one_capability(engine: Engine, address: str) -> None:
    for user, uid, name in ((AS_USER, USER, "agent-user"), ([], "0", "agent-root")):
        command = [IMAGE, "edges", "--interface", "any", "--filter", "tcp port 8080", "--format", "json"]
        # As user 0 that stays it, one capability is all that it takes.
        rights = AGENT if user else [right for right in AGENT if "cap-add" not in right or "NET_RAW" in right]
        engine.docker("run", "--detach", f"--name={name}", *rights, *user, *command)
        captures(engine, name)
        may_do_nothing_else(engine.status(name), uid)
        ask(engine, address)
        engine.docker("stop", name)
        end = engine.inspect(name)["State"]["ExitCode"]
        lines = [json.loads(line) for line in logs(engine, name, "--stdout").splitlines()]
        engine.docker("rm", name)
        equal(end, 0, "how it ended")
        seen = sum(edge["connections"] for edge in lines if (edge["server"], edge["port"]) == (address, 8080))
        equal((seen, len(lines)), (ASKED, 1), "connections and edges that it saw")


def captures(engine: Engine, name: str) -> None:
    until(f"{name} captures", lambda: "capturing" in logs(engine, name, "--stderr"))


def logs(engine: Engine, name: str, what: str) -> str:
    done = subprocess.run(["docker", "logs", name], env=engine.environment(), capture_output=True, text=True)
    return done.stdout if what == "--stdout" else done.stderr


def may_do_nothing_else(status: dict[str, str], uid: str) -> None:
    equal(set(status["Uid"].split()), {uid}, "user of the agent")
    held = {name: int(status[name], 16) & ~NET_RAW for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")}
    equal(held, dict.fromkeys(held, 0), "capabilities beside NET_RAW")
    equal(status["NoNewPrivs"], "1", "no new privileges")
    equal(status["Seccomp"], "2", "filter of system calls")


def one_host_by_itself_keeps_what_it_saw(engine: Engine, address: str) -> None:
    command = ["run", "--interface", "any", "--filter", "tcp port 8080", "--store", "sqlite:/var/lib/watershed/edges.db"]
    volume = "--volume=state:/var/lib/watershed"
    engine.docker("run", "--detach", "--name=lone", *AGENT, *AS_USER, volume, IMAGE, *command)
    try:
        captures(engine, "lone")
        ask(engine, address)
        # What is written at its end is there at the next start.
        engine.docker("restart", "lone")
        until("the map of one host is complete", lambda: [edge["connections"] for edge in edges(engine, LONE)] == [ASKED])
        may_do_nothing_else(engine.status("lone"), USER)
    finally:
        engine.docker("rm", "--force", "lone")
        engine.docker("volume", "rm", "state")


def fetch(engine: Engine, url: str) -> str:
    """What is served in the engine's namespace, or nothing where that does not answer."""
    asked = [*engine.inside(), "curl", "--silent", "--fail", "--max-time", "10", url]
    return subprocess.run(asked, capture_output=True, text=True).stdout


def edges(engine: Engine, served: str) -> list[dict]:
    """The edges of a served map, or none where nothing answers."""
    return json.loads(fetch(engine, f"{served}/api/v1/edges?limit=1000") or '{"items": []}')["items"]


def trusts_whom_the_image_trusts(engine: Engine) -> None:
    """A broker's certificate, checked by OpenSSL in the binary against the image's list, and against another."""
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        sign = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
        said([*sign, "-addext", "subjectAltName=DNS:localhost", "-keyout", f"{at}/key", "-out", f"{at}/certificate"])
        broker = ["openssl", "s_server", "-accept", "127.0.0.1:9443", "-key", f"{at}/key", "-cert", f"{at}/certificate"]
        for trusted in (True, False):
            with open(at / "broker", "w") as log:
                server = subprocess.Popen([*engine.inside(), *broker], stdout=log, stderr=log, stdin=subprocess.PIPE)
            kafka = ["--set", "kafka.security=tls", "--kafka", "localhost:9443", "--spool", "/tmp/spool"]
            command = ["collect", "--interface", "lo", *kafka]
            list_of = [f"--volume={at}/certificate:/etc/ssl/certs/ca-certificates.crt:ro"] if trusted else []
            options = [*AGENT, *list_of, "--tmpfs=/tmp"]
            engine.docker("run", "--detach", "--name=shipper", *options, IMAGE, *command)
            try:
                said_by = (at / "broker").read_text
                if trusted:
                    until("the broker is trusted", lambda: "BEGIN SSL SESSION" in said_by())
                else:
                    until("a stranger is refused", lambda: "unknown ca" in said_by())
            finally:
                engine.docker("rm", "--force", "shipper")
                server.terminate()
                server.wait()


def equal(found, wanted, what: str) -> None:
    if found != wanted:
        raise ImageError(f"{what}: {found}, not {wanted}")
