#!/bin/sh
# Makes the certificates of the TLS tests anew: an authority, a server for `localhost`, one that is also reached by its
# address, a client, and an authority that signed none of them. They are worthless outside these tests and valid for a hundred years.
set -eu
cd "$(dirname "$0")"
days=36500

authority() {
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days $days -subj "/CN=$2" \
        -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign" \
        -keyout "$1.key" -out "$1.pem"
}

leaf() {
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout "$1.key" -out "$1.csr"
    printf 'subjectAltName=DNS:localhost%s\nbasicConstraints=CA:FALSE\nextendedKeyUsage=%s\n' "${3:-}" "$2" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA ca.pem -CAkey ca.key -CAcreateserial -days $days -extfile "$1.ext" -out "$1.pem"
    rm "$1.csr" "$1.ext"
}

authority ca "Nebula test authority"
authority stranger "Some other authority"
# Nodes of a cluster show each other the same one.
leaf server serverAuth,clientAuth
leaf address serverAuth,clientAuth ,IP:127.0.0.1
leaf client clientAuth
rm ca.key ca.srl stranger.key
