#!/usr/bin/env bash
# The same deploy as a careful person would script it: kubectl and openssl, looking at each request before approving it.
# usage: by_hand.sh NAMESPACE MANIFESTS.json FOLDER NODES ; needs $KUBECTL and $KUBECONFIG
set -euo pipefail
NS=$1 MANIFESTS=$2 DIR=$3 NODES=$4
mkdir -p "$DIR" && cd "$DIR"
k() { "$KUBECTL" -n "$NS" "$@"; }

openssl ecparam -name prime256v1 -genkey -noout -out ca.key 2>/dev/null
openssl req -x509 -new -key ca.key -subj "/O=Cockroach/CN=Cockroach CA" -days 1825 -out ca.crt \
  -addext "basicConstraints=critical,CA:true" -addext "keyUsage=critical,keyCertSign,cRLSign" 2>/dev/null
k create configmap crdb-ca --from-file=ca.crt >/dev/null
k apply -f "$MANIFESTS" >/dev/null

sign() { # CSR, wanted subject, words that must stand in the names, extended usages
  local csr=$1 subject=$2 name=$3 usages=$4
  until k get csr "$csr" -o jsonpath='{.spec.request}' >"$csr.b64" 2>/dev/null; do sleep 0.2; done
  base64 -d <"$csr.b64" >"$csr.pem"
  openssl req -in "$csr.pem" -noout -verify 2>/dev/null
  openssl req -in "$csr.pem" -noout -text >"$csr.txt"
  grep -q "$subject" "$csr.txt" && grep -q "$name" "$csr.txt"
  {
    echo "basicConstraints=critical,CA:false"
    echo "keyUsage=critical,digitalSignature,keyEncipherment"
    echo "extendedKeyUsage=$usages"
    sed -n 's/^ *DNS:/subjectAltName=DNS:/p' "$csr.txt" | sed 's/IP Address:/IP:/g'
  } >"$csr.ext"
  k certificate approve "$csr" >/dev/null
  openssl x509 -req -in "$csr.pem" -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -extfile "$csr.ext" -out "$csr.crt" 2>/dev/null
  openssl verify -CAfile ca.crt "$csr.crt" >/dev/null
  k patch csr "$csr" --subresource=status --type=merge -p "{\"status\":{\"certificate\":\"$(base64 -w0 "$csr.crt")\"}}" >/dev/null
}
for i in $(seq 0 $((NODES - 1))); do
  sign "$NS.node.cockroachdb-$i" "CN = node" "cockroachdb-$i.cockroachdb.$NS" serverAuth,clientAuth
done
sign "$NS.client.root" "CN = root" "CN = root" clientAuth

for i in $(seq 0 $((NODES - 1))); do
  k wait --for=jsonpath='{.status.phase}'=Running "pod/cockroachdb-$i" --timeout=120s >/dev/null
done
k wait --for=condition=Ready pod/cockroachdb-client-secure --timeout=120s >/dev/null
cockroach() { k exec cockroachdb-client-secure -- timeout -k 5 60 /cockroach/cockroach "$@" --certs-dir=/cockroach/cockroach-certs; }
cockroach init --host="cockroachdb-0.cockroachdb.$NS.svc.cluster.local:26257" >/dev/null
k wait --for=condition=Ready pod -l app=cockroachdb --timeout=120s >/dev/null
cockroach node status --host=cockroachdb-public >/dev/null
cockroach sql -e "SELECT 1" --host=cockroachdb-public >/dev/null
