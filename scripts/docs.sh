#!/usr/bin/env bash
# Runs every line of every ```sh block of the documents as a new user would, in a clean folder with an empty HOME.
# A line must end with status 0; one that serves until it is stopped (proxy, store, top) must still run after 3 seconds.
# Blocks of another kind (```console, ```text) are pictures and are not run. YAML and SQL blocks are held by Go tests.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
[ -x bin/pitot ] || make build >/dev/null

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/home"
cp -r testdata "$work/testdata"
cp -r deploy "$work/deploy"
# The engine is a download; the user's cache keeps it.
cache=${XDG_CACHE_HOME:-$HOME/.cache}

run_line() { # document, line
	local out status=0 serves= seconds=120
	case "$2" in
	"pitot proxy"* | "pitot store"* | "pitot top"*) serves=1 seconds=3 ;;
	"pitot registry --s"[^i]*) serves=1 seconds=3 ;; # all but --simulate
	"pitot tap"*) [ "$(uname)$(id -u)" = Linux0 ] || return 0 ;; # capturing takes root
	"make "* | "git clone"* | "cd "*) return 0 ;; # the two commands and the clone are what CI itself does
	esac
	out=$(cd "$work" && env -i PATH="$root/bin:$PATH" HOME="$work/home" XDG_CACHE_HOME="$cache" XDG_STATE_HOME="$work/state" TERM=dumb \
		timeout -s INT -k 5 "${seconds}" bash -o pipefail -c "$2" </dev/null 2>&1) || status=$?
	if [ -n "$serves" ] && { [ $status = 124 ] || [ $status = 0 ]; }; then status=0; fi
	if [ $status != 0 ]; then
		printf 'docs: %s: this line failed with status %s:\n  %s\n%s\n' "$1" "$status" "$2" "$out"
		return 1
	fi
	count=$((count + 1))
}

count=0
for doc in README.md docs/*.md; do
	while IFS= read -r line; do
		[ -n "$line" ] || continue
		run_line "$doc" "$line"
	done < <(awk '/^```sh$/{on=1;next} /^```/{on=0} on && !/^#/' "$doc")
done
echo "docs: $count commands of the documents run"
