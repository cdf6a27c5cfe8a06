#!/bin/sh
# Puts an archive of deploy/backup.sh back into empty volumes: deploy/restore.sh FILE. docs/backup.md
set -eu
say() { echo "$1" >&2; exit "${2:-4}"; }
[ $# = 1 ] || say "usage: deploy/restore.sh FILE" 2
[ -r "$1" ] || say "$1 cannot be read; make backup writes one"
file=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
cd "$(dirname "$0")/.."
name=counterpoint-archive-$$
inside() { docker-compose run --rm -T --no-deps --name "$name-$1" archive "$1" 2>/dev/null; }

undo() { # what was begun is ended first: nothing writes beside what clears
  trap '' INT TERM
  docker rm --force "$name-put" >/dev/null 2>&1
  inside clear || say "$1; the volumes may hold a part: docker-compose down -v"
  say "$1; the volumes are empty, the archive is whole" "${2:-4}"
}

[ -z "$(docker-compose ps --quiet)" ] || say "the stack runs; nothing was touched: docker-compose down -v first"
{ gzip --test "$file" && tar --list --gzip --file "$file" | grep -qx ./session/; } 2>/dev/null \
  || say "$file is damaged, or no backup; nothing was touched"
inside empty || say "the volumes hold a run; nothing was touched: make backup, then docker-compose down -v"
trap 'undo interrupted 130' INT TERM
inside put <"$file" || undo "the volumes cannot be written"
echo "restored; docker-compose up -d goes on where it was kept"
