#!/bin/sh
# Builds debian:SUITE-slim, from which the Dockerfiles start, if no container registry answers: by debootstrap, from
# this machine's Debian mirror. Usage: make.sh SUITE, such as bookworm
set -eu

suite=$1
image=debian:$suite-slim
say() { printf 'base: %s\n' "$*"; }
die() { printf 'base: %s\n' "$*" >&2; exit 1; }

docker image inspect "$image" >/dev/null 2>&1 && exit 0
if docker pull -q "$image" >/dev/null 2>&1; then
    say "$image pulled from the registry"
    exit 0
fi
say "$image cannot be pulled; building it from this machine's Debian mirror"
[ "$(id -u)" = 0 ] || die "building it needs root; run once: sudo sh infra/debian/make.sh $suite"
command -v apt-get >/dev/null || die "building it needs Debian or Ubuntu; connect to a registry, or import a bundle: make load FILE=..."
command -v debootstrap >/dev/null || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
}

repositories=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sed 's#/*$##' | sort -u)
mirror=$(echo "$repositories" | grep -E '/debian$' | head -n 1)
security=$(echo "$repositories" | grep -E '/debian-security$' | head -n 1 || true)
[ -n "$mirror" ] || die "the apt sources have no Debian mirror; add one to /etc/apt/sources.list.d/"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$root.log" 2>&1 ||
    die "debootstrap failed; its last lines: $(tail -n 3 "$root.log")"
{
    echo "deb $mirror $suite main"
    echo "deb $mirror $suite-updates main"
    [ -z "$security" ] || echo "deb $security $suite-security main"
} >"$root/etc/apt/sources.list"
# "slim", as Docker's own Debian images: without documentation, locales and package lists
printf 'path-exclude=/usr/share/%s/*\n' doc man info locale groff lintian linda >"$root/etc/dpkg/dpkg.cfg.d/docker-slim"
printf 'path-include=/usr/share/doc/*/copyright\n' >>"$root/etc/dpkg/dpkg.cfg.d/docker-slim"
printf 'Acquire::Languages "none";\nAPT::Install-Recommends "false";\n' >"$root/etc/apt/apt.conf.d/docker-slim"
find "$root/usr/share/doc" -type f ! -name copyright -delete
rm -rf "$root"/usr/share/man/* "$root"/usr/share/info/* "$root"/usr/share/locale/* "$root"/var/lib/apt/lists/* \
    "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb "$root"/var/log/*.log "$root.log"
tar -C "$root" -c . | docker import --change 'CMD ["bash"]' - "$image" >/dev/null
say "$image built: $(docker image inspect --format '{{.Size}}' "$image" | awk '{printf "%.0f MB", $1 / 1e6}')"
