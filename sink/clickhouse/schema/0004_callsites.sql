-- What each line of code asks of MongoDB, per minute.
CREATE TABLE IF NOT EXISTS {{.DB}}.mongo_callsite_1m (
  Time DateTime CODEC(Delta, ZSTD(1)),
  ServiceName LowCardinality(String),
  CallSite LowCardinality(String),
  DbNamespace LowCardinality(String),
  DbCollection LowCardinality(String),
  DbOperation LowCardinality(String),
  QueryShape UInt64,
  Capture LowCardinality(String),
  Calls SimpleAggregateFunction(sum, UInt64),
  Errors SimpleAggregateFunction(sum, UInt64),
  Docs SimpleAggregateFunction(sum, UInt64),
  DocsMax SimpleAggregateFunction(max, UInt32),
  RespBytes SimpleAggregateFunction(sum, UInt64),
  DurSum SimpleAggregateFunction(sum, UInt64),
  DurMax SimpleAggregateFunction(max, UInt64),
  DurQ AggregateFunction(quantilesTDigest(0.5, 0.95, 0.99), UInt64)
) ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(Time)
ORDER BY (ServiceName, DbNamespace, DbCollection, DbOperation, CallSite, QueryShape, Capture, Time)
{{ttl "Time" .RollupTTL}}
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = {{.Window}};
CREATE MATERIALIZED VIEW IF NOT EXISTS {{.DB}}.mongo_callsite_1m_mv TO {{.DB}}.mongo_callsite_1m
AS SELECT toStartOfMinute(Timestamp) AS Time, ServiceName, CallSite, DbNamespace, DbCollection, DbOperation, QueryShape, Capture, count() AS Calls, countIf(StatusCode='Error') AS Errors, sum(DocsReturned) AS Docs, max(DocsReturned) AS DocsMax, sum(RespBytes) AS RespBytes, sum(Duration) AS DurSum, max(Duration) AS DurMax, quantilesTDigestState(0.5, 0.95, 0.99)(Duration) AS DurQ
FROM {{.DB}}.otel_traces WHERE Protocol='mongodb' AND SpanKind='Client'
GROUP BY Time, ServiceName, CallSite, DbNamespace, DbCollection, DbOperation, QueryShape, Capture;
