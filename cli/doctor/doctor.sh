#!/bin/sh
# What must be right before Python can start: the checkout's line endings, and a python3. Prints nothing when all is well.
# The launcher `orionbox` checks Python's version; checks.py checks the rest.
# The `#` at a line's end keeps a Windows line ending out of the command, so that the message can be printed:
cr=$(printf '\r') #
if grep -q "$cr" "$0"; then echo "fail  checkout        its files have Windows line endings; fix: git config core.autocrlf false && git rm -r -q --cached . && git reset --hard   (commit your changes first)"; exit 1; fi #
set -u
cd "$(dirname "$0")/../.." || exit 1

fail() { # WHAT FINDING FIX
    printf 'fail  %-15s %s; fix: %s\n' "$1" "$2" "$3"
    exit 1
}

# What a shell, make or a container reads; Python itself takes either line ending
files=$(grep -l "$cr" .env .env.example Makefile orionbox dev/*.mk compose/*.env services/base/healthy \
    services/flows/bin/* services/*/*.sh services/*/*.conf services/*/*/*.conf infra/*/*.sh infra/*/*.conf 2>/dev/null)
[ "${files%%[[:space:]]*}" != .env ] || fail checkout ".env has Windows line endings" "perl -pi -e 's/\\r\$//' .env"
[ -z "$files" ] || fail checkout "${files%%[[:space:]]*} has Windows line endings, and other files may have them too" \
    "git config core.autocrlf false && git rm -r -q --cached . && git reset --hard   (commit your changes first)"

command -v python3 >/dev/null || fail python3 "there is none" \
    "install Python 3.9 or newer: apt-get install python3, or on macOS xcode-select --install"
