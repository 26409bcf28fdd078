#!/bin/bash
# Starts nginx with its one user and password, in memory files that only this container has.
set -eu
umask 077
user=orionbox
# 1,000 rounds are the minimum: the password is long and random, and every request waits for them
salt='rounds=1000$'$(openssl rand -hex 8)
printf '%s:%s\n' "$user" "$(printf '%s' "$GATEWAY_PASSWORD" | openssl passwd -6 -salt "$salt" -stdin)" >/tmp/users
printf '"Basic %s" "";\n' "$(printf '%s:%s' "$user" "$GATEWAY_PASSWORD" | base64 --wrap=0)" >/tmp/right.map
exec env --unset=GATEWAY_PASSWORD nginx
