# What the scripts of a careful person share; sourced with $NS, $DIR and $KUBECTL set.
mkdir -p "$DIR" && cd "$DIR"
k() { "$KUBECTL" -n "$NS" "$@"; }
cockroach() { k exec cockroachdb-client-secure -c cockroachdb-client -- timeout -k 5 60 /cockroach/cockroach "$@" --certs-dir=/cockroach/cockroach-certs; }

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
