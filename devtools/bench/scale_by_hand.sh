#!/usr/bin/env bash
# One node more, as a careful person would script it: look first, look at the request before approving it, look after.
# usage: scale_by_hand.sh NAMESPACE FOLDER NODES ; after by_hand.sh in the same folder; needs $KUBECTL and $KUBECONFIG
set -euo pipefail
NS=$1 DIR=$2 NODES=$3
source "$(dirname "${BASH_SOURCE[0]}")/by_hand_lib.sh"
new=cockroachdb-$((NODES - 1))

well() { # so many nodes are live and active, and no range lacks a copy
  cockroach node status --all --format=csv --host=cockroachdb-public | python3 -c '
import csv, sys
rows = list(csv.DictReader(sys.stdin))
good = [r for r in rows if r["is_live"] == "true" and r["membership"] == "active"]
bad = sum(int(r["ranges_underreplicated"]) + int(r["ranges_unavailable"]) for r in good)
sys.exit(len(good) != int(sys.argv[1]) or len(rows) != len(good) or bad > 0)' "$1"
}

well $((NODES - 1))
[ -z "$(k get pvc "datadir-$new" --ignore-not-found -o name)" ]
[ "$(k get statefulset cockroachdb -o jsonpath='{.spec.replicas}')" = $((NODES - 1)) ]
k get nodes >/dev/null
k scale statefulset/cockroachdb --replicas="$NODES" >/dev/null
sign "$NS.node.$new" "CN = node" "$new.cockroachdb.$NS" serverAuth,clientAuth
k wait --for=jsonpath='{.status.phase}'=Running "pod/$new" --timeout=120s >/dev/null
k wait --for=condition=Ready "pod/$new" --timeout=120s >/dev/null
until well "$NODES"; do sleep 1; done
cockroach sql -e "SELECT 1" --host=cockroachdb-public >/dev/null
