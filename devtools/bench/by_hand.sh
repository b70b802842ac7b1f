#!/usr/bin/env bash
# The same deploy as a careful person would script it: kubectl and openssl, looking at each request before approving it.
# usage: by_hand.sh NAMESPACE MANIFESTS.json FOLDER NODES ; needs $KUBECTL and $KUBECONFIG
set -euo pipefail
NS=$1 MANIFESTS=$2 DIR=$3 NODES=$4
source "$(dirname "${BASH_SOURCE[0]}")/by_hand_lib.sh"

openssl ecparam -name prime256v1 -genkey -noout -out ca.key 2>/dev/null
openssl req -x509 -new -key ca.key -subj "/O=Cockroach/CN=Cockroach CA" -days 1825 -out ca.crt \
  -addext "basicConstraints=critical,CA:true" -addext "keyUsage=critical,keyCertSign,cRLSign" 2>/dev/null
k create configmap crdb-ca --from-file=ca.crt >/dev/null
k apply -f "$MANIFESTS" >/dev/null

for i in $(seq 0 $((NODES - 1))); do
  sign "$NS.node.cockroachdb-$i" "CN = node" "cockroachdb-$i.cockroachdb.$NS" serverAuth,clientAuth
done
sign "$NS.client.root" "CN = root" "CN = root" clientAuth

for i in $(seq 0 $((NODES - 1))); do
  k wait --for=jsonpath='{.status.phase}'=Running "pod/cockroachdb-$i" --timeout=120s >/dev/null
done
k wait --for=condition=Ready pod/cockroachdb-client-secure --timeout=120s >/dev/null
cockroach init --host="cockroachdb-0.cockroachdb.$NS.svc.cluster.local:26257" >/dev/null
k wait --for=condition=Ready pod -l app=cockroachdb --timeout=120s >/dev/null
cockroach node status --host=cockroachdb-public >/dev/null
cockroach sql -e "SELECT 1" --host=cockroachdb-public >/dev/null
