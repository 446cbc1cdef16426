#!/usr/bin/env python3
"""Who reaches a host that protects itself: a judge for the tests, with real sockets in two network namespaces.

It reads one object from standard input: {"rules": TEXT, "host": [ADDRESS...], "clients": [ADDRESS...],
"tries": [[CLIENT, ADDRESS, "tcp" or "udp", PORT]...]}. The host loads the rules and listens on every port that is tried;
clients live at the other end of a link. All connections are tried at once; the answer is a line with `1` for each that
was answered and `0` for each that was not in the time given.

Run it in an empty namespace, as root there: unshare --map-root-user --net ask-host.py
"""

import ctypes
import ipaddress
import json
import os
import selectors
import socket
import subprocess
import sys
import threading
import time

CLONE_NEWNET = 0x40000000
# What the kernel refuses is never answered, so each question takes this long.
SECONDS = 3
KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def run(*words, text=None):
    done = subprocess.run(words, input=text, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(words)}: {done.stderr}\n{text or ''}")


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def configure(link, addresses):
    """Everybody else is at the other end."""
    run("ip", "link", "set", link, "up")
    for address in addresses:
        words = ["ip", "addr", "add", f"{address}/{ipaddress.ip_address(address).max_prefixlen}", "dev", link]
        run(*words, *(["nodad"] if ":" in address else []))
    for version in ("-4", "-6"):
        run("ip", version, "route", "add", "default", "dev", link)


def serve(address, kind, port):
    """Answers whoever comes, in the background."""
    server = socket.socket(family(address), KINDS[kind])
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    if kind == "tcp":
        server.listen(64)
        return server

    def answer():
        while True:
            data, peer = server.recvfrom(64)
            server.sendto(data, peer)

    threading.Thread(target=answer, daemon=True).start()
    return server


def tried(tries):
    """Opens all connections and tells which of them were answered."""
    waiting = selectors.DefaultSelector()
    answered = ["0"] * len(tries)
    for place, (client, address, kind, port) in enumerate(tries):
        one = socket.socket(family(client), KINDS[kind])
        one.setblocking(False)
        one.bind((client, 0))
        one.connect_ex((address, port))
        if kind == "udp":
            one.send(b"question")
        event = selectors.EVENT_WRITE if kind == "tcp" else selectors.EVENT_READ
        waiting.register(one, event, place)
    end = time.monotonic() + SECONDS
    while (left := end - time.monotonic()) > 0 and waiting.get_map():
        for key, _ in waiting.select(left):
            good = key.fileobj.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == 0
            answered[key.data] = "1" if good else "0"
            waiting.unregister(key.fileobj)
    return "".join(answered)


def clients(question, ready, go):
    """The other namespace: it says that it is there, waits for its link, and asks."""
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWNET) != 0:
        sys.exit(f"cannot make a network namespace: {os.strerror(ctypes.get_errno())}")
    os.write(ready, b"1")
    os.read(go, 1)
    configure("client0", question["clients"])
    os.write(ready, b"1")
    os.read(go, 1)
    print(tried(question["tries"]), flush=True)


def main():
    question = json.load(sys.stdin)
    (ready, there), (wait, go) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        clients(question, there, wait)
        os._exit(0)
    os.close(there)
    if not os.read(ready, 1):
        sys.exit("the clients are gone")
    run("ip", "link", "add", "name", "host0", "type", "veth", "peer", "name", "client0")
    run("ip", "link", "set", "client0", "netns", str(child))
    os.write(go, b"1")
    configure("host0", question["host"])
    if not os.read(ready, 1):
        sys.exit("the clients are gone")
    run("nft", "--file", "-", text=question["rules"])
    services = {(address, kind, port) for _, address, kind, port in question["tries"]}
    listening = [serve(*service) for service in sorted(services)]
    os.write(go, b"1")
    _, status = os.waitpid(child, 0)
    sys.exit(os.waitstatus_to_exitcode(status) if listening else 1)


main()
