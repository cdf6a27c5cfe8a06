#!/bin/sh
# What backup.sh and restore.sh do inside a container that sees every volume below /volumes.
set -eu
cd /volumes
case $1 in
  keep) [ -n "$(find . -mindepth 2 -print -quit)" ] && exec tar --create --gzip --numeric-owner --sort=name ./* ;;
  empty) [ -z "$(find . -mindepth 2 -print -quit)" ] ;;
  clear) find . -mindepth 2 -delete ;;
  put) # all of it beside its place first, so that what is in place is whole
    tar --extract --gzip --numeric-owner --same-permissions --transform 's,^\./\([a-z]*\),./\1/.restored,S'
    for each in *; do
      chmod --reference="$each/.restored" "$each"
      chown --reference="$each/.restored" "$each"
      find "$each/.restored" -mindepth 1 -maxdepth 1 -exec mv --target-directory="$each" {} +
      rmdir "$each/.restored"
    done ;;
esac
