#!/bin/sh
# Puts the volumes of the stack into one archive: deploy/backup.sh [FOLDER]. What runs ends in good
# order first and is started again afterwards, whatever happens. docs/backup.md
set -eu
cd "$(dirname "$0")/.."
folder=${1:-counterpoint-data/backups}
umask 077
mkdir -p "$folder"
file=$folder/counterpoint-$(date -u +%Y%m%dT%H%M%SZ).tar.gz
name=counterpoint-archive-$$
running=$(docker-compose ps --services --filter status=running)

end() {
  code=$?
  trap '' EXIT INT TERM
  docker rm --force "$name" >/dev/null 2>&1 || true
  rm -f "$file.part"
  # A stop that was interrupted goes on in the engine: what is started before its end is stopped by it.
  # shellcheck disable=SC2086  # a list of names
  [ -z "$running" ] || docker-compose stop $running >/dev/null 2>&1 || true
  # shellcheck disable=SC2086
  [ -z "$running" ] || docker-compose start $running >/dev/null 2>&1 || { echo "not started again: $running" >&2; code=1; }
  exit "$code"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# shellcheck disable=SC2086
[ -z "$running" ] || docker-compose stop $running >/dev/null 2>&1
docker-compose run --rm -T --no-deps --name "$name" archive keep 2>/dev/null >"$file.part" || { echo "the volumes hold nothing, or cannot be read; nothing was written" >&2; exit 4; }
gzip --test "$file.part"
mv "$file.part" "$file"
echo "$file"
