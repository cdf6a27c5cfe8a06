#!/bin/sh
# Puts prometheus and promtool into FOLDER (default: .tools), from Debian's package. Needs apt and
# dpkg, no rights and no engine: nothing is installed.
set -eu
folder=$(mkdir -p "${1:-.tools}" && cd "${1:-.tools}" && pwd)
[ -x "$folder/promtool" ] && [ -x "$folder/prometheus" ] && exit 0
draft=$(mktemp -d)
trap 'rm -rf "$draft"' EXIT
cd "$draft"
apt-get download prometheus >/dev/null 2>&1 || { apt-get update >/dev/null && apt-get download prometheus >/dev/null; }
dpkg -x prometheus_*.deb .
mv usr/bin/promtool usr/bin/prometheus "$folder"
"$folder/promtool" --version 2>&1 | head -1
