#!/bin/sh
# Puts what `make keys` made into the cluster, each part's own and no more: deploy/kubernetes/secrets.sh
# [KEYS]. Again after a rotation. KUBECTL=echo shows what it would do.
set -eu
cd "${1:-counterpoint-data/keys}"
put() { # NAME FILE...
  name=$1; shift
  for file do set -- "$@" --from-file="$file"; shift; done
  ${KUBECTL:-kubectl} create secret generic "$name" "$@" --dry-run=client --output=yaml | ${KUBECTL:-kubectl} apply --filename=-
}
put exchange-keys exchange/accounts.toml
put coordinator-keys roster.json coordinator.key
put executor-keys roster.json executor-1.key exchange/executor.api-key exchange/executor.api-secret
put guardian-keys exchange/guardian.api-key exchange/guardian.api-secret
put optimizer-keys roster.json optimizer-1.key optimizer-2.key optimizer-3.key
put desk-keys roster.json desk.key operator.key desk-read.token desk-act.token exchange/database.passfile
put database-keys exchange/database.password
