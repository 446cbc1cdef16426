"""ClickHouse's engine behind the part of its HTTP interface that the `clickhouse` crate speaks.

For tests where no ClickHouse server is to be had: the engine is the real one (tables, views and merges on
disk), only the wire before it is this file's.

    server.py --data DIRECTORY [--port PORT] [--temporary]
    server.py --data DIRECTORY --port PORT --listen ADDRESS

Prints its address on standard output once it answers, and ends when its standard input does, so that it never
outlives the test that started it; with --temporary the directory goes with it. It may be killed at any time and
started again on the same directory. With --listen it is a container's, and ends when that is stopped.

Beside queries, `POST /fault?kind=...` prepares a fault:

    refuse   the next `count` inserts into `table` fail with the exception `code`
    slow     the next `count` inserts into `table` wait for `seconds` first
    die      the process is killed (SIGKILL) by the next insert into `table`: with `at=before` before anything
             is written, `at=between` after the table has the rows and before the views named in `views` do,
             `at=after` once everything is written and before the client hears of it
    kill     the process is killed `seconds` after the next insert, whatever it does then
"""

import argparse
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import lz4.block
from chdb.session import Session

# What is in the URL beside settings.
NOT_SETTINGS = {"query", "database", "default_format", "decompress", "compress", "wait_end_of_query"}
INSERT = re.compile(r"\s*INSERT\s+INTO\s+(?P<table>[^\s(]+)\s*(?P<columns>\([^)]*\))?\s*FORMAT\s+(?P<format>\w+)\s*$", re.I)
EXCEPTION = re.compile(r"Code:\s*(\d+)")
# Statuses that the server has for exceptions; 500 for all others.
STATUSES = {62: 400, 47: 404, 60: 404, 81: 404, 516: 403, 497: 403}


class Fault:
    """What goes wrong next."""

    def __init__(self):
        self.kind, self.left, self.options = None, 0, {}

    def prepare(self, options):
        self.kind = options.get("kind")
        self.left = int(options.get("count", 1)) if self.kind else 0
        self.options = options

    def take(self, table):
        """The fault that an insert into this table meets, if there is one now."""
        if self.left == 0 or self.options.get("table", table) != table:
            return None
        self.left -= 1
        return self.kind


class Refused(Exception):
    """What the server says instead of a result."""


class Engine:
    """The engine and the one session that all requests share, one after the other."""

    def __init__(self, data):
        self.session = Session(data)
        self.lock = threading.Lock()
        self.fault = Fault()

    def run(self, query, parameters, body):
        """The octets that answer a query; an exception's text is ClickHouse's own."""
        insert = INSERT.match(query)
        fault = self.fault.take(insert["table"].strip("`")) if insert else None
        options = self.fault.options
        if fault == "refuse":
            raise Refused(f"Code: {options['code']}. DB::Exception: prepared by the test. (PREPARED)")
        if fault == "slow":
            time.sleep(float(options["seconds"]))
        if fault == "kill":
            threading.Timer(float(options["seconds"]), self.die).start()
        with self.lock:
            self.query(f"USE {quoted(parameters.get('database') or 'default')}")
            settings = {name: value for name, value in parameters.items() if name not in NOT_SETTINGS}
            for name, value in settings.items():
                self.query(f"SET {name} = {text(value)}")
            try:
                if insert:
                    return self.insert(insert, body, options if fault == "die" else None)
                return self.query(query, parameters.get("default_format", "TabSeparated"))
            finally:
                for name in settings:
                    self.query(f"SET {name} = DEFAULT")

    def query(self, sql, form="TabSeparated"):
        result = self.session.query(sql, form)
        return result.bytes() if result is not None else b""

    def insert(self, insert, body, die):
        """Rows go through a file: the engine as a library reads data in a query only up to its first newline."""
        with tempfile.NamedTemporaryFile() as rows:
            rows.write(body)
            rows.flush()
            sql = (
                f"INSERT INTO {insert['table']} {insert['columns'] or ''}"
                f" SELECT * FROM file({text(rows.name)}, {insert['format']})"
            )
            if die and die["at"] == "before":
                self.die()
            if die and die["at"] == "between":
                # As if the crash came before these views had their turn.
                for view in die["views"].split(","):
                    self.query(f"DETACH TABLE {quoted(view)}")
            result = self.query(sql)
            if die:
                self.die()
            return result

    @staticmethod
    def die():
        os.kill(os.getpid(), signal.SIGKILL)


def text(value):
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quoted(name):
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def decompressed(body):
    """Blocks of: checksum (16 octets), method, sizes with and without compression, data."""
    parts, place = [], 0
    while place < len(body):
        method = body[place + 16]
        size = int.from_bytes(body[place + 17 : place + 21], "little")
        whole = int.from_bytes(body[place + 21 : place + 25], "little")
        data = body[place + 25 : place + 16 + size]
        if method != 0x82:
            raise Refused(f"Code: 89. DB::Exception: unknown compression method {method}. (UNKNOWN_COMPRESSION_METHOD)")
        parts.append(lz4.block.decompress(data, uncompressed_size=whole))
        place += 16 + size
    return b"".join(parts)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer leaves when it is written, not when a timer of the network says so.
    disable_nagle_algorithm = True
    engine: Engine

    def do_GET(self):
        self.answer(200, b"Ok.\n")

    def do_POST(self):
        url = urlsplit(self.path)
        parameters = dict(parse_qsl(url.query, keep_blank_values=True))
        try:
            body = self.body()
        except ConnectionError:
            body = None
        if body is None:
            # The client went away in the middle: nothing of it counts.
            self.close_connection = True
            return
        if url.path == "/fault":
            self.engine.fault.prepare(parameters)
            return self.answer(200, b"")
        try:
            if parameters.get("decompress") == "1":
                body = decompressed(body)
            query = parameters["query"] if "query" in parameters else body.decode()
            self.answer(200, self.engine.run(query, parameters, body))
        except Exception as error:
            code = EXCEPTION.search(str(error))
            code = int(code[1]) if code else 1002
            self.answer(STATUSES.get(code, 500), str(error).encode(), {"X-ClickHouse-Exception-Code": str(code)})

    def body(self):
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        chunks = []
        while True:
            head = self.rfile.readline()
            if not head.endswith(b"\n"):
                return None
            size = int(head.split(b";")[0], 16)
            chunk = self.rfile.read(size)
            if len(chunk) < size or not self.rfile.readline():
                return None
            if size == 0:
                return b"".join(chunks)
            chunks.append(chunk)

    def answer(self, status, body, headers=None):
        try:
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except ConnectionError:
            self.close_connection = True

    def log_message(self, *arguments):
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--data", required=True)
    arguments.add_argument("--port", type=int, default=0)
    arguments.add_argument("--temporary", action="store_true")
    arguments.add_argument("--listen")
    arguments = arguments.parse_args()
    if arguments.listen:
        # A container's first process gets no signal that it does not wait for; the engine's threads shall not get it.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
    Handler.engine = Engine(arguments.data)
    server = Server((arguments.listen or "127.0.0.1", arguments.port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"127.0.0.1:{server.server_address[1]}", flush=True)
    if arguments.listen:
        signal.sigwait([signal.SIGTERM])
    else:
        sys.stdin.buffer.read()
    if arguments.temporary:
        shutil.rmtree(arguments.data, ignore_errors=True)
    # Without the engine's own farewell, which waits for merges: what a table has is on the disk.
    os._exit(0)


if __name__ == "__main__":
    main()
