package admin

import "strings"

// help says what a number of /stats means, where that is known; of what comes
// in many forms, as handshakes by version, by its beginning.
func (h helps) help(kind, name string) string {
	if text, ok := h[kind+"."+name]; ok {
		return text
	}
	for at := strings.LastIndexByte(name, '.'); at > 0; at = strings.LastIndexByte(name[:at], '.') {
		if text, ok := h[kind+"."+name[:at]+".*"]; ok {
			return text
		}
	}
	return "A number of /stats, under the same name there."
}

// helps are sentences by kind and name, or by the beginning of a name.
type helps map[string]string

func newHelps() helps {
	all := helps{
		"pitot.exchanges_seen":  "Exchanges that were seen.",
		"pitot.decode_failures": "Connections whose decoder lost its place.",
		"pitot.uptime_seconds":  "Seconds since the start.",
	}
	for kind, lines := range map[string]string{
		"listener": listenerHelp, "cluster": clusterHelp, "access_log": accessLogHelp, "rate_limit": rateLimitHelp, "rate_limit_service": rateServiceHelp,
		"subscription": subscriptionHelp, "sink": sinkHelp, "capture": captureHelp, "overload": overloadHelp,
		"admission_control": admissionHelp, "adaptive_concurrency": adaptiveHelp,
	} {
		for line := range strings.Lines(lines) {
			name, text, _ := strings.Cut(strings.TrimSpace(line), ": ")
			all[kind+"."+name] = text
		}
	}
	return all
}

const listenerHelp = `downstream_cx_total: Connections that were accepted.
downstream_cx_active: Connections that are open.
downstream_cx_accept_error: Accepts that failed, as for want of file descriptors.
downstream_cx_drain_close: Connections that a drain closed.
downstream_cx_idle_timeout: Connections that were closed because nothing moved.
downstream_cx_loop: Connections refused because they would have come back here.
downstream_cx_no_route: Connections that nothing says where to send.
downstream_cx_overflow: Connections beyond a limit.
downstream_cx_overload_reject: Connections refused because pitot itself was overloaded.
downstream_cx_protocol_error: Connections whose client broke the protocol.
downstream_cx_proxy_protocol: Connections with a PROXY header.
downstream_cx_proxy_protocol_error: Connections with a PROXY header that is missing or wrong.
downstream_cx_rx_bytes_total: Bytes from clients.
downstream_cx_tx_bytes_total: Bytes to clients.
downstream_pre_cx_timeout: Connections that were forwarded before it was known what they speak.
downstream_rq_total: Requests.
downstream_rq_active: Requests under way.
downstream_rq_1xx: Answers with a status from 100 to 199.
downstream_rq_2xx: Answers with a status from 200 to 299.
downstream_rq_3xx: Answers with a status from 300 to 399.
downstream_rq_4xx: Answers with a status from 400 to 499.
downstream_rq_5xx: Answers with a status from 500 to 599.
downstream_rq_rx_reset: Requests that their client broke off.
downstream_rq_trailers_dropped: Trailers that could not be passed on.
faults.*: Faults of the configuration or of /fault that were injected, by what they do.
faults.active: Requests that are delayed or slowed down now.
faults.overflow: Requests that were spared because max_active were delayed.
mirror.sent: Copies of requests that were sent to a mirror.
mirror.dropped: Copies that were not sent: too large, too many at once, or not read to the end.
mirror.failed: Copies without an answer, or without all of it.
mirror.same: Compared answers that did not differ.
mirror.different: Compared answers that differed.
ssl.*: TLS with clients, by Envoy's names: handshakes, failures by cause, sessions, versions.`

const clusterHelp = `upstream_cx_total: Connections to endpoints that were made.
upstream_cx_active: Connections to endpoints that are open.
upstream_cx_idle: Connections that are kept for later requests.
upstream_cx_connect_fail: Connections that did not come about.
upstream_cx_connect_timeout: Connections that were given up after connect_timeout.
upstream_cx_connect_count: Connections whose making was timed.
upstream_cx_connect_ns_sum: Time that making connections to endpoints took, summed.
upstream_cx_idle_timeout: Kept connections that were closed because nobody used them.
upstream_cx_destroy: Connections that have ended.
upstream_cx_destroy_remote_idle: Kept connections that the endpoint closed.
upstream_cx_protocol_error: Attempts whose endpoint broke the protocol.
upstream_cx_rx_bytes_total: Bytes from endpoints.
upstream_cx_tx_bytes_total: Bytes to endpoints.
upstream_cx_none_healthy: Exchanges for which no endpoint could be picked.
upstream_cx_overflow: Times that a connection was wanted beyond max_connections.
upstream_rq_total: Attempts: requests, those made again included, and forwarded connections.
upstream_rq_active: Attempts under way.
upstream_rq_completed: Attempts whose duration was measured.
upstream_rq_time_ns_sum: Duration of attempts, summed; by upstream_rq_completed their mean.
upstream_rq_1xx: Answers with a status from 100 to 199.
upstream_rq_2xx: Answers with a status from 200 to 299.
upstream_rq_3xx: Answers with a status from 300 to 399.
upstream_rq_4xx: Answers with a status from 400 to 499.
upstream_rq_5xx: Answers with a status from 500 to 599.
upstream_rq_timeout: Attempts without an answer in time.
upstream_rq_rx_reset: Attempts that the endpoint broke off.
upstream_rq_tx_reset: Attempts that the proxy broke off.
upstream_rq_cancelled: Attempts that the client, or another attempt, made needless.
upstream_rq_pending_active: Requests that wait in line for a connection.
upstream_rq_pending_total: Requests that ever waited in line for a connection.
upstream_rq_pending_overflow: Requests that a circuit breaker refused.
upstream_rq_retry: Retries that were made.
upstream_rq_retry_active: Retries under way.
upstream_rq_retry_success: Retries that were answered so that no other was wanted.
upstream_rq_retry_overflow: Retries that the budget, or max_retries, did not let happen.
upstream_rq_retry_limit_exceeded: Requests that would have been tried again, but for num_retries.
upstream_rq_retry_abandoned: Requests that would have been tried again, but whose body was not kept.
upstream_rq_retry_backoff_exponential: Retries after a wait of back_off.
upstream_rq_retry_backoff_ratelimited: Retries after a wait that the answer asked for.
upstream_rq_per_try_timeout: Attempts that took longer than per_try_timeout.
upstream_rq_per_try_idle_timeout: Attempts in which nothing moved for per_try_idle_timeout.
upstream_rq_hedge: Attempts that were made beside another.
upstream_rq_hedge_won: Attempts that were made beside another and answered first.
circuit_breakers.*: Circuit breakers by priority: 1 while one of them (open) lets no more in, or how many more may come (remaining).
health_check.attempt: Health checks.
health_check.success: Health checks that passed.
health_check.failure: Health checks that failed.
health_check.passive_failure: Answers that said that their endpoint fails.
health_check.network_failure: Health checks that failed for want of an answer.
health_check.verify_cluster: Health checks that another service answered.
health_check.healthy: Endpoints that health checks find well.
lb_healthy_panic: Picks that did not look at health because too few endpoints were healthy.
lb_local_cluster_not_ok: Picks without zone_aware, as the proxies' own cluster is empty or in panic.
lb_subsets_fallback: Picks by a subset's fallback.
lb_subsets_single_host_per_subset_duplicate: Hosts left out as another one has the value of a subset of a single host.
lb_zone_cluster_too_small: Picks without zone_aware, as there are too few endpoints.
lb_zone_no_capacity_left: Picks by chance, as no other zone has room left.
lb_zone_routing_all_directly: Picks in the own zone, which can take everything.
lb_zone_routing_cross_zone: Picks in another zone, as the own one cannot take everything.
lb_zone_routing_sampled: Picks in the own zone, which can take a part.
membership_change: Times that endpoints came or went.
membership_total: Endpoints.
membership_healthy: Endpoints that may be picked and are not degraded.
membership_degraded: Endpoints that are picked when the healthy ones do not suffice.
membership_excluded: Endpoints that do not count when it is asked how many are healthy.
outlier_detection.*: Endpoints that a detector found (detected) and those that it took out (enforced).
outlier_detection.ejections_active: Endpoints that are ejected now.
outlier_detection.ejections_overflow: Endpoints that were not ejected, as max_ejection_percent were.
outlier_detection.ejections_enforced_total: Endpoints that were taken out, by any detector.
ssl.*: TLS with endpoints, by Envoy's names: handshakes, failures by cause, sessions, versions.
update_attempt: Times that discovery was asked.
update_success: Times that it answered.
update_empty: Answers without any endpoint.
update_no_rebuild: Answers with nothing new.
update_failure: Times that it did not answer.
update_rejected: Answers that could not be used.`

const accessLogHelp = `written: Lines that were written.
dropped: Lines for which there was no room in the queue.
failed: Lines that the file or the server did not take.`

const rateLimitHelp = `enabled: Requests that the limit is about.
ok: Requests within the limit.
rate_limited: Requests beyond the limit.
enforced: Requests that were refused.
keys: Descriptors that have a bucket.
keys_evicted: Buckets that made room for others.
untold: Keys whose beginning and end of being refused was not told.
unanswered: Requests that nobody has counted.`

const rateServiceHelp = `ok: Questions whose answer let the request go on.
over_limit: Questions whose answer refused the request.
error: Questions without an answer.
unasked: Questions that were not asked because the service counts as away.
failure_mode_allowed: Requests that went on without an answer.
away: 1 while the service counts as away.`

const subscriptionHelp = `taken: Exchanges that a reader of the stream took.
dropped: Exchanges that it did not get because its queue was full.`

const sinkHelp = `taken: Exchanges that a sink was given.
written: Exchanges that are safe where they were to go.
dropped: Exchanges that were still waiting at the end.
failed: Exchanges that were refused for good or given up.
retried: Deliveries that were tried again.`

const captureHelp = `packets: Packets.
bytes: Bytes of packets.
packets_cut: Packets of which --snaplen kept a part.
kernel_dropped: Packets for which there was no room in the ring.
ring_full: Times that the ring was full.
write_dropped: Packets that could not be written in time.
connections: Connections that were followed.
gaps: Places in connections of which bytes were not seen.
bytes_missing: Bytes that were not seen.
evicted: Connections that were given up for want of room.`

const overloadHelp = `memory.pressure: Percent of the memory that may be used.
file_descriptors.pressure: Percent of the file descriptors that may be open.
goroutines.pressure: Percent of max_goroutines.
connections.pressure: Percent of max_connections.
disable_keepalive.*: HTTP/1.1 connections that end after the exchange: percent to which that is done, and times it began.
reject_connections.*: New connections that are closed: percent to which that is done, and times it began.
shrink_memory.*: Memory given back to the system: percent to which that is done, and times it was.
stop_accepting_connections.*: New connections left waiting: percent to which that is done, and times it began.
stop_accepting_requests.*: Requests answered 503: percent to which that is done, and times it began.`

const admissionHelp = `rq_rejected: Requests that were turned away.
rq_success: Requests that were let in and answered well.
rq_failure: Requests that were let in and not answered well.
rejection_percent: Probability with which a request is turned away now.`

const adaptiveHelp = `concurrency_limit: Requests that may be under way at once.
rq_active: Requests under way.
rq_blocked: Requests that were turned away.
min_rtt_usecs: Least time to the head of an answer, as measured last.
sample_rtt_usecs: Time to the head of an answer lately.
gradient_thousandths: Factor by which the limit was moved last, in thousandths.
min_rtt_calculation_active: 1 while the least time is measured.`
