-- What an agent's host listened on from `first_seen` to `last_seen`, and who: `user` is the number of the socket's user,
-- `process` the name of who had it open, empty where the agent may not see that, `unit` its systemd unit or container.
CREATE TABLE IF NOT EXISTS listener (
    address    BLOB NOT NULL,
    protocol   INTEGER NOT NULL,
    port       INTEGER NOT NULL,
    agent      INTEGER NOT NULL REFERENCES agent (id),
    first_seen INTEGER NOT NULL,
    user       INTEGER NOT NULL,
    process    TEXT NOT NULL,
    unit       TEXT NOT NULL,
    last_seen  INTEGER NOT NULL,
    PRIMARY KEY (address, protocol, port, agent, first_seen, user, process, unit)
) STRICT, WITHOUT ROWID;
