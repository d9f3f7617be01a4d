-- Every query shape with its text and when it was first and last seen.
CREATE TABLE IF NOT EXISTS {{.DB}}.query_shapes (
  QueryShape UInt64,
  DbNamespace LowCardinality(String),
  DbCollection LowCardinality(String),
  DbOperation LowCardinality(String),
  Shape SimpleAggregateFunction(anyLast, String),
  FirstSeen SimpleAggregateFunction(min, DateTime),
  LastSeen SimpleAggregateFunction(max, DateTime)
) ENGINE = AggregatingMergeTree
ORDER BY (DbNamespace, DbCollection, DbOperation, QueryShape)
SETTINGS non_replicated_deduplication_window = {{.Window}};
CREATE MATERIALIZED VIEW IF NOT EXISTS {{.DB}}.query_shapes_mv TO {{.DB}}.query_shapes
AS SELECT QueryShape, DbNamespace, DbCollection, DbOperation, anyLast(SpanAttributes['db.query.text']) AS Shape, toDateTime(min(Timestamp)) AS FirstSeen, toDateTime(max(Timestamp)) AS LastSeen
FROM {{.DB}}.otel_traces WHERE QueryShape != 0
GROUP BY QueryShape, DbNamespace, DbCollection, DbOperation;
