-- In a cluster, the same columns where flows are written and asked for.
ALTER TABLE flows{on_cluster}
    MODIFY COLUMN answered UInt64,
    ADD COLUMN IF NOT EXISTS connections UInt64,
    ADD COLUMN IF NOT EXISTS states Tuple(Array(LowCardinality(String)), Array(UInt64)),
    ADD COLUMN IF NOT EXISTS evidence_counts Tuple(Array(UInt8), Array(UInt64));
