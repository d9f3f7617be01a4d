#!/usr/bin/env bash
# Captures on lo beside wrk asking nginx as fast as it can, and holds that every request is told but what the kernel's
# reported drops cost. Needs root, nginx and wrk; bounded to some ten seconds.
set -euo pipefail
cd "$(dirname "$0")/.."
missing=
[ "$(uname)" = Linux ] || missing="Linux"
[ "$(id -u)" = 0 ] || missing="$missing root"
for tool in nginx wrk curl; do command -v $tool >/dev/null || missing="$missing $tool"; done
[ -z "$missing" ] || { echo "tap-rate: left out, it needs $missing"; exit 0; }
[ -x bin/pitot ] || make build >/dev/null

work=$(mktemp -d)
port=$((20000 + RANDOM % 10000))
connections=16
cleanup() {
	[ -z "${tap:-}" ] || kill "$tap" 2>/dev/null || true
	[ ! -s "$work/nginx.pid" ] || kill "$(cat "$work/nginx.pid")" 2>/dev/null || true
	rm -rf "$work"
}
trap cleanup EXIT
cat >"$work/nginx.conf" <<CONF
worker_processes 1;
pid $work/nginx.pid;
error_log $work/error.log;
events { worker_connections 256; }
http {
	access_log off;
	keepalive_requests 100000000;
	client_body_temp_path $work/a; proxy_temp_path $work/b; fastcgi_temp_path $work/c; uwsgi_temp_path $work/d; scgi_temp_path $work/e;
	server {
		listen 127.0.0.1:$port;
		location / { return 200 "hello\n"; }
		location = /status { stub_status; }
	}
}
CONF
nginx -c "$work/nginx.conf" 2>"$work/nginx.out"
bin/pitot tap -i lo -f "tcp port $port" --store none --admin none >"$work/out" 2>"$work/err" &
tap=$!
for _ in $(seq 100); do
	grep -q msg=capturing "$work/err" && break
	sleep 0.1
done
grep -q msg=capturing "$work/err" || { cat "$work/err"; exit 1; }
wrk -t 1 -c $connections -d "${1:-5s}" "http://127.0.0.1:$port/cart/7" >"$work/wrk"
requests=$(curl -s "http://127.0.0.1:$port/status" | awk 'NR==3 {print $3}')
ticks=$(awk '{print $14 + $15}' "/proc/$tap/stat")
kill -INT $tap
wait $tap
tap=
read -r told packets dropped < <(sed -nE 's/^([0-9]+) exchanges on [0-9]+ connections in ([0-9]+) packets.*; ([0-9]+) packets dropped.*/\1 \2 \3/p' "$work/out")
rate=$(awk '/Requests\/sec/ {print int($2)}' "$work/wrk")
nanos=$((ticks * (1000000000 / $(getconf CLK_TCK)) / (packets + 1)))
echo "tap-rate: $rate requests/s; $requests requests, $told exchanges, $packets packets, $dropped dropped by the kernel, $nanos ns of CPU a packet"
missing=$((requests - told))
# A connection's last request may have been sent and not read, or read and not answered.
if [ "$missing" -gt $((dropped + connections)) ] || [ "$missing" -lt -$connections ]; then
	cat "$work/out"
	echo "tap-rate: $missing requests are missing, and the kernel dropped $dropped packets"
	exit 1
fi
