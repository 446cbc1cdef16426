-- Times are nanoseconds since the Unix epoch, hours whole hours since then, addresses 4 or 16 octets.
-- Counts above 2^63 - 1 are kept as that.

CREATE TABLE IF NOT EXISTS agent (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

-- One start of an agent. `kept` lists the batches whose rows are in the other tables, as ranges from first
-- to last; it is written in the transaction that writes the rows, so that no batch counts twice.
CREATE TABLE IF NOT EXISTS run (
    agent     INTEGER NOT NULL REFERENCES agent (id),
    started   INTEGER NOT NULL,
    kept      TEXT NOT NULL,
    counters  TEXT NOT NULL,
    last_seen INTEGER,
    PRIMARY KEY (agent, started)
) STRICT, WITHOUT ROWID;

-- Who an address was, each version once: kind, name, namespace and labels as JSON.
CREATE TABLE IF NOT EXISTS workload (
    id   INTEGER PRIMARY KEY,
    json TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE IF NOT EXISTS party (
    id       INTEGER PRIMARY KEY,
    address  BLOB NOT NULL,
    workload INTEGER REFERENCES workload (id)
) STRICT;
CREATE UNIQUE INDEX IF NOT EXISTS party_by_address ON party (address, ifnull(workload, 0));

CREATE TABLE IF NOT EXISTS name (
    id   INTEGER PRIMARY KEY,
    text TEXT NOT NULL UNIQUE
) STRICT;

-- What one agent saw between two addresses on one service in one hour. `states` and `evidence` are pairs of a
-- kind's number (one octet) and its count (LEB128), in order.
CREATE TABLE IF NOT EXISTS edge (
    hour              INTEGER NOT NULL,
    client            INTEGER NOT NULL REFERENCES party (id),
    server            INTEGER NOT NULL REFERENCES party (id),
    protocol          INTEGER NOT NULL,
    port              INTEGER NOT NULL,
    agent             INTEGER NOT NULL REFERENCES agent (id),
    first_seen        INTEGER NOT NULL,
    last_seen         INTEGER NOT NULL,
    connections       INTEGER NOT NULL,
    answered          INTEGER NOT NULL,
    packets_to_server INTEGER NOT NULL,
    bytes_to_server   INTEGER NOT NULL,
    packets_to_client INTEGER NOT NULL,
    bytes_to_client   INTEGER NOT NULL,
    states            BLOB NOT NULL,
    evidence          BLOB NOT NULL,
    PRIMARY KEY (hour, client, server, protocol, port, agent)
) STRICT, WITHOUT ROWID;

-- What clients called the server of an edge.
CREATE TABLE IF NOT EXISTS edge_name (
    hour     INTEGER NOT NULL,
    client   INTEGER NOT NULL,
    server   INTEGER NOT NULL,
    protocol INTEGER NOT NULL,
    port     INTEGER NOT NULL,
    agent    INTEGER NOT NULL,
    name     INTEGER NOT NULL REFERENCES name (id),
    PRIMARY KEY (hour, client, server, protocol, port, agent, name)
) STRICT, WITHOUT ROWID;

-- Names that DNS answers gave to addresses.
CREATE TABLE IF NOT EXISTS address_name (
    address    BLOB NOT NULL,
    name       INTEGER NOT NULL REFERENCES name (id),
    first_seen INTEGER NOT NULL,
    last_seen  INTEGER NOT NULL,
    PRIMARY KEY (address, name)
) STRICT, WITHOUT ROWID;

-- The loss ledger.
CREATE TABLE IF NOT EXISTS loss (
    hour  INTEGER NOT NULL,
    agent INTEGER NOT NULL REFERENCES agent (id),
    kind  TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (hour, agent, kind)
) STRICT, WITHOUT ROWID;

-- What retention has deleted so far.
CREATE TABLE IF NOT EXISTS deleted (
    what  TEXT PRIMARY KEY,
    count INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
