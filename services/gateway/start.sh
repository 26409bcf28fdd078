#!/bin/bash
# nginx, told of the one user and password; both files are the container's own, in memory.
set -eu
umask 077
user=orionbox
# 1,000 rounds, the fewest: the password is long and random, and each request of a page pays for them
salt='rounds=1000$'$(openssl rand -hex 8)
printf '%s:%s\n' "$user" "$(printf '%s' "$GATEWAY_PASSWORD" | openssl passwd -6 -salt "$salt" -stdin)" >/tmp/users
printf '"Basic %s" "";\n' "$(printf '%s:%s' "$user" "$GATEWAY_PASSWORD" | base64 --wrap=0)" >/tmp/right.map
exec env --unset=GATEWAY_PASSWORD nginx
