#!/bin/sh
# Becomes a program that reaches the internet: with the user's proxies and certificate authorities, which variables.py
# puts into OUTSIDE_* and no other service gets. Usage: outside.sh PROGRAM [ARGUMENT...]
for name in HTTP_PROXY http_proxy HTTPS_PROXY https_proxy NO_PROXY no_proxy SSL_CERT_FILE REQUESTS_CA_BUNDLE; do
    eval "value=\${OUTSIDE_$name:-}"
    [ -z "$value" ] || export "$name=$value"
done
exec "$@"
