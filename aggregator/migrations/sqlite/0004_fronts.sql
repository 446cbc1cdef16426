-- Where each port of a Service led: from `at` on to the workload, or to the address `server` that is nobody's, or to
-- nobody where there is neither, up to the front's next change. A front is the port of an address, or, where that is
-- empty, of every node. `server_port` is 0 where it is not known.
CREATE TABLE IF NOT EXISTS front (
    address     TEXT NOT NULL,
    protocol    INTEGER NOT NULL,
    port        INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    service     TEXT NOT NULL,
    workload    INTEGER REFERENCES workload (id),
    server      TEXT NOT NULL,
    server_port INTEGER NOT NULL,
    rewritten   INTEGER NOT NULL,
    PRIMARY KEY (address, protocol, port, at)
) STRICT, WITHOUT ROWID;
