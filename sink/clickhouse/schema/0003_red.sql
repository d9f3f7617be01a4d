-- Rate, errors and durations by service and operation, per minute.
CREATE TABLE IF NOT EXISTS {{.DB}}.red_1m (
  Time DateTime CODEC(Delta, ZSTD(1)),
  ServiceName LowCardinality(String),
  PeerService LowCardinality(String),
  SpanKind LowCardinality(String),
  Protocol LowCardinality(String),
  SpanName LowCardinality(String),
  Cluster LowCardinality(String),
  UpstreamHost LowCardinality(String),
  Capture LowCardinality(String),
  Calls SimpleAggregateFunction(sum, UInt64),
  Errors SimpleAggregateFunction(sum, UInt64),
  Retries SimpleAggregateFunction(sum, UInt64),
  ReqBytes SimpleAggregateFunction(sum, UInt64),
  RespBytes SimpleAggregateFunction(sum, UInt64),
  DurSum SimpleAggregateFunction(sum, UInt64),
  DurMax SimpleAggregateFunction(max, UInt64),
  DurQ AggregateFunction(quantilesTDigest(0.5, 0.9, 0.95, 0.99), UInt64)
) ENGINE = AggregatingMergeTree
PARTITION BY toYYYYMM(Time)
ORDER BY (ServiceName, Protocol, SpanName, SpanKind, PeerService, Cluster, UpstreamHost, Capture, Time)
{{ttl "Time" .RollupTTL}}
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = {{.Window}};
CREATE MATERIALIZED VIEW IF NOT EXISTS {{.DB}}.red_1m_mv TO {{.DB}}.red_1m
AS SELECT toStartOfMinute(Timestamp) AS Time, ServiceName, PeerService, SpanKind, Protocol, SpanName, Cluster, UpstreamHost, Capture, count() AS Calls, countIf(StatusCode='Error') AS Errors, countIf(Attempt>0) AS Retries, sum(ReqBytes) AS ReqBytes, sum(RespBytes) AS RespBytes, sum(Duration) AS DurSum, max(Duration) AS DurMax, quantilesTDigestState(0.5, 0.9, 0.95, 0.99)(Duration) AS DurQ
FROM {{.DB}}.otel_traces
GROUP BY Time, ServiceName, PeerService, SpanKind, Protocol, SpanName, Cluster, UpstreamHost, Capture;
