-- Spans: the table of the OpenTelemetry ClickHouse exporter, which Grafana and HyperDX read, plus typed columns for what is asked most.
CREATE TABLE IF NOT EXISTS {{.DB}}.otel_traces (
  -- base: as the OpenTelemetry exporter writes it
  Timestamp DateTime64(9) CODEC(Delta(8), ZSTD(1)),
  TraceId String CODEC(ZSTD(1)),
  SpanId String CODEC(ZSTD(1)),
  ParentSpanId String CODEC(ZSTD(1)),
  TraceState String CODEC(ZSTD(1)),
  SpanName LowCardinality(String) CODEC(ZSTD(1)),
  SpanKind LowCardinality(String) CODEC(ZSTD(1)),
  ServiceName LowCardinality(String) CODEC(ZSTD(1)),
  ResourceAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
  ScopeName String CODEC(ZSTD(1)),
  ScopeVersion String CODEC(ZSTD(1)),
  SpanAttributes Map(LowCardinality(String), String) CODEC(ZSTD(1)),
  Duration UInt64 CODEC(T64, ZSTD(1)),
  StatusCode LowCardinality(String) CODEC(ZSTD(1)),
  StatusMessage String CODEC(ZSTD(1)),
  Events Nested (Timestamp DateTime64(9), Name LowCardinality(String), Attributes Map(LowCardinality(String), String)) CODEC(ZSTD(1)),
  Links Nested (TraceId String, SpanId String, TraceState String, Attributes Map(LowCardinality(String), String)) CODEC(ZSTD(1)),
  -- hot columns: pitot writes them, and the defaults fill them for rows that a collector inserts
  Protocol LowCardinality(String) DEFAULT multiIf(SpanAttributes['rpc.system.name']!='', SpanAttributes['rpc.system.name'], SpanAttributes['db.system.name']!='', SpanAttributes['db.system.name'], SpanAttributes['network.protocol.name']) CODEC(ZSTD(1)),
  PeerService LowCardinality(String) DEFAULT SpanAttributes['service.peer.name'] CODEC(ZSTD(1)),
  Cluster LowCardinality(String) DEFAULT SpanAttributes['pitot.upstream.cluster'] CODEC(ZSTD(1)),
  UpstreamHost LowCardinality(String) DEFAULT SpanAttributes['network.peer.address'] CODEC(ZSTD(1)),
  Attempt UInt8 DEFAULT toUInt8OrZero(SpanAttributes['http.request.resend_count']) CODEC(T64, ZSTD(1)),
  HttpStatus UInt16 DEFAULT toUInt16OrZero(SpanAttributes['http.response.status_code']) CODEC(T64, ZSTD(1)),
  RpcStatus LowCardinality(String) DEFAULT SpanAttributes['rpc.response.status_code'] CODEC(ZSTD(1)),
  ErrorType LowCardinality(String) DEFAULT SpanAttributes['error.type'] CODEC(ZSTD(1)),
  DbNamespace LowCardinality(String) DEFAULT SpanAttributes['db.namespace'] CODEC(ZSTD(1)),
  DbCollection LowCardinality(String) DEFAULT SpanAttributes['db.collection.name'] CODEC(ZSTD(1)),
  DbOperation LowCardinality(String) DEFAULT SpanAttributes['db.operation.name'] CODEC(ZSTD(1)),
  QueryShape UInt64 DEFAULT toUInt64OrZero(SpanAttributes['pitot.db.shape']) CODEC(ZSTD(1)),
  CallSite LowCardinality(String) DEFAULT if(SpanAttributes['pitot.call_site']!='', SpanAttributes['pitot.call_site'], SpanAttributes['code.function.name']) CODEC(ZSTD(1)),
  DocsReturned UInt32 DEFAULT toUInt32OrZero(SpanAttributes['db.response.returned_rows']) CODEC(T64, ZSTD(1)),
  ReqBytes UInt64 DEFAULT toUInt64OrZero(SpanAttributes['pitot.request.bytes']) CODEC(T64, ZSTD(1)),
  RespBytes UInt64 DEFAULT toUInt64OrZero(SpanAttributes['pitot.response.bytes']) CODEC(T64, ZSTD(1)),
  TtfbNs UInt64 DEFAULT toUInt64OrZero(SpanAttributes['pitot.ttfb_ns']) CODEC(T64, ZSTD(1)),
  Capture LowCardinality(String) DEFAULT SpanAttributes['pitot.capture.id'] CODEC(ZSTD(1)),
  DecodeFlags UInt16 DEFAULT toUInt16OrZero(SpanAttributes['pitot.decode.flags']) CODEC(T64, ZSTD(1)),
  INDEX idx_trace_id TraceId TYPE bloom_filter(0.001) GRANULARITY 1,
  INDEX idx_res_attr_key mapKeys(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX idx_res_attr_value mapValues(ResourceAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX idx_span_attr_key mapKeys(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX idx_span_attr_value mapValues(SpanAttributes) TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX idx_duration Duration TYPE minmax GRANULARITY 1,
  INDEX idx_callsite CallSite TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX idx_shape QueryShape TYPE bloom_filter(0.01) GRANULARITY 1,
  INDEX idx_http_status HttpStatus TYPE minmax GRANULARITY 4
) ENGINE = MergeTree
PARTITION BY toDate(Timestamp)
PRIMARY KEY (ServiceName, SpanName, toDateTime(Timestamp))
ORDER BY (ServiceName, SpanName, toDateTime(Timestamp), Timestamp)
{{ttl "toDateTime(Timestamp)" .TTL}}
SETTINGS index_granularity = 8192, ttl_only_drop_parts = 1, non_replicated_deduplication_window = {{.Window}};
