-- When each trace was, so that reading one trace does not search all days. The name is the one Grafana looks for.
CREATE TABLE IF NOT EXISTS {{.DB}}.otel_traces_trace_id_ts (
  TraceId String CODEC(ZSTD(1)),
  Start DateTime CODEC(Delta, ZSTD(1)),
  End DateTime CODEC(Delta, ZSTD(1)),
  INDEX idx_trace_id TraceId TYPE bloom_filter(0.01) GRANULARITY 1
) ENGINE = MergeTree
PARTITION BY toDate(Start)
ORDER BY (TraceId, Start)
{{ttl "Start" .TTL}}
SETTINGS ttl_only_drop_parts = 1, non_replicated_deduplication_window = {{.Window}};
CREATE MATERIALIZED VIEW IF NOT EXISTS {{.DB}}.otel_traces_trace_id_ts_mv TO {{.DB}}.otel_traces_trace_id_ts
AS SELECT TraceId, min(Timestamp) AS Start, max(Timestamp) AS End
FROM {{.DB}}.otel_traces WHERE TraceId != ''
GROUP BY TraceId;
