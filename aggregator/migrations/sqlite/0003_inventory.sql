-- Whose an address or network was, as the inventory's sources told it: from `at` on the workload's, or nobody's, up
-- to the next change that the same source told of the same network. A network is written like 10.0.0.0/8, an address
-- as the network of itself.
CREATE TABLE IF NOT EXISTS inventory (
    network  TEXT NOT NULL,
    source   TEXT NOT NULL,
    at       INTEGER NOT NULL,
    workload INTEGER REFERENCES workload (id),
    PRIMARY KEY (network, source, at)
) STRICT, WITHOUT ROWID;
