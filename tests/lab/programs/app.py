"""The shop's application: answers nginx, uses PostgreSQL through psql, Redis, and a payment service over TLS.

    GET  /catalog   from Redis, filled from PostgreSQL the first time
    POST /orders    a row in PostgreSQL, a counter in Redis, a call to the payment service
    GET  /metrics   for the scraper

The connection to Redis stays open; SIGHUP closes it, and the next request opens another.
"""

import http.client
import signal
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler


class Redis:
    """One lasting connection that speaks RESP: https://redis.io/docs/reference/protocol-spec/."""

    def __init__(self, address):
        self.address, self.lock, self.stream, self.stale = address, threading.Lock(), None, False

    def ask(self, *words):
        with self.lock:
            if self.stale or self.stream is None:
                self._connect()
            encoded = [word.encode() for word in words]
            parts = [b"*%d\r\n" % len(words), *(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)]
            try:
                self.stream.write(b"".join(parts))
                self.stream.flush()
                return self._reply()
            except (OSError, ValueError):
                self.stale = True
                raise

    def _connect(self):
        if self.stream is not None:
            self.stream.close()
        with socket.create_connection(self.address, timeout=1) as connection:
            self.stream, self.stale = connection.makefile("rwb"), False

    def _reply(self):
        line = self.stream.readline()
        if line[:1] in (b"+", b":"):
            return line[1:].strip().decode()
        if line[:1] != b"$":
            raise ValueError(f"redis said {line!r}")
        length = int(line[1:])
        return None if length < 0 else self.stream.read(length + 2)[:-2].decode()


class App:
    """The application's dependencies and its counter of requests."""

    def __init__(self, name, certificate):
        self.name, self.requests = name, 0
        self.redis = Redis(("cache.shop.example", 6379))
        self.trust = ssl.create_default_context(cafile=certificate)

    def catalog(self):
        cached = self.redis.ask("GET", f"catalog:{self.name}")
        if cached is None:
            cached = sql("select string_agg(name || ' ' || price, E'\\n' order by name) from product")
            self.redis.ask("SET", f"catalog:{self.name}", cached)
        return cached

    def order(self, text):
        number = sql("insert into purchase (text) values (:'text') returning id", text)
        self.redis.ask("INCR", "orders")
        service = http.client.HTTPSConnection("pay.example.net", timeout=3, context=self.trust)
        try:
            service.request("GET", f"/pay?order={number}")
            paid = service.getresponse().read().decode().strip()
        finally:
            service.close()
        return f"order {number} {paid}"

    def metrics(self):
        return f"# TYPE app_requests_total counter\napp_requests_total {self.requests}"


def sql(query, text=""):
    """Runs one statement; psql quotes the variable `text`."""
    database = "host=db.shop.example user=shop dbname=shop connect_timeout=3 application_name=app"
    command = ["psql", "-XAtqw", "-v", "ON_ERROR_STOP=1", "-v", f"text={text}", database]
    done = subprocess.run(command, input=query, capture_output=True, text=True, timeout=8)
    if done.returncode != 0:
        raise OSError(f"psql: {done.stderr.strip()}")
    return done.stdout.strip()


def handler(app):
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            pages = {"/catalog": app.catalog, "/metrics": app.metrics, "/healthz": lambda: "ok"}
            self.answer(pages.get(self.path))

        def do_POST(self):
            text = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            self.answer({"/orders": lambda: app.order(text)}.get(self.path))

        def answer(self, page):
            app.requests += 1
            try:
                status, text = (200, page()) if page else (404, "no such page")
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                status, text = 503, f"{app.name}: {error}"
                print(text, file=sys.stderr, flush=True)
            body = text.encode() + b"\n"
            self.send_response(status)
            self.send_header("X-App", app.name)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *arguments):
            pass  # nginx logs the requests

    return Handler


class Server(socketserver.ThreadingTCPServer):
    """http.server's own server would look up the machine's name in DNS when it starts."""

    allow_reuse_address = True
    daemon_threads = True


def main():
    name, certificate = sys.argv[1:]
    app = App(name, certificate)
    signal.signal(signal.SIGHUP, lambda *_: setattr(app.redis, "stale", True))
    Server(("0.0.0.0", 8000), handler(app)).serve_forever()


main()
