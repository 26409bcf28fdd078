#!/bin/sh
# Makes debian:SUITE-slim where no container registry answers: debootstrap from the Debian mirror that this machine
# itself uses, imported under the name that the Dockerfiles start from. Usage: make.sh bookworm|trixie
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
say "$image cannot be pulled; making it with debootstrap from this machine's Debian mirror"
[ "$(id -u)" = 0 ] || die "debootstrap needs root: run 'sudo sh infra/debian/make.sh $suite' once"
command -v apt-get >/dev/null || die "debootstrap needs a Debian or Ubuntu host; connect to a registry, or 'make load FILE=' a bundle"
command -v debootstrap >/dev/null || {
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends debootstrap >/dev/null
}

repositories=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sed 's#/*$##' | sort -u)
mirror=$(echo "$repositories" | grep -E '/debian$' | head -n 1)
security=$(echo "$repositories" | grep -E '/debian-security$' | head -n 1 || true)
[ -n "$mirror" ] || die "no Debian mirror in the apt sources; add one to /etc/apt/sources.list.d/"

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$root.log" 2>&1 ||
    die "debootstrap failed; its last lines: $(tail -n 3 "$root.log")"
{
    echo "deb $mirror $suite main"
    echo "deb $mirror $suite-updates main"
    [ -z "$security" ] || echo "deb $security $suite-security main"
} >"$root/etc/apt/sources.list"
# What makes it "slim", as in Docker's own Debian images: no documentation, no locales, no package lists.
printf 'path-exclude=/usr/share/%s/*\n' doc man info locale groff lintian linda >"$root/etc/dpkg/dpkg.cfg.d/docker-slim"
printf 'path-include=/usr/share/doc/*/copyright\n' >>"$root/etc/dpkg/dpkg.cfg.d/docker-slim"
printf 'Acquire::Languages "none";\nAPT::Install-Recommends "false";\n' >"$root/etc/apt/apt.conf.d/docker-slim"
find "$root/usr/share/doc" -type f ! -name copyright -delete
rm -rf "$root"/usr/share/man/* "$root"/usr/share/info/* "$root"/usr/share/locale/* "$root"/var/lib/apt/lists/* \
    "$root"/var/cache/apt/*.bin "$root"/var/cache/apt/archives/*.deb "$root"/var/log/*.log "$root.log"
tar -C "$root" -c . | docker import --change 'CMD ["bash"]' - "$image" >/dev/null
say "$image made: $(docker image inspect --format '{{.Size}}' "$image" | awk '{printf "%.0f MB", $1 / 1e6}')"
