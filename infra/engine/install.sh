#!/bin/sh
# Installs Docker Engine, Compose and Buildx from Debian or Ubuntu packages and starts the engine.
# The packages come from the mirror that this machine already uses. Run as root.
set -eu

say() { printf 'engine: %s\n' "$*"; }
die() { printf 'engine: %s\n' "$*" >&2; exit 1; }

# Prints the Debian mirror of this machine's apt sources, for example http://mirror.example/debian
mirror() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sed 's#/*$##' | grep -E '/debian$' | head -n 1
}

# Debian 12 has no Compose v2: takes the two plugins from Debian 13, and leaves the apt sources as they are
install_plugins_from_trixie() {
    url=$(mirror)
    [ -n "$url" ] || die "the apt sources have no Debian mirror; add one to /etc/apt/sources.list.d/"
    apt=$(mktemp -d)
    chmod 755 "$apt"
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/debs"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $url trixie main" > "$apt/trixie.list"
    trixie="-o Dir::Etc::sourcelist=$apt/trixie.list -o Dir::Etc::sourceparts=- -o Dir::Etc::preferencesparts=-
        -o Dir::State::lists=$apt/lists -o Dir::Cache=$apt/cache -o APT::Sandbox::User=root"
    # shellcheck disable=SC2086  # a list of options
    (apt-get $trixie update -qq && cd "$apt/debs" && apt-get $trixie download -qq docker-compose docker-buildx)
    apt-get install -y -qq --no-install-recommends "$apt"/debs/*.deb
    rm -r "$apt"
}

install_plugins() {
    if apt-cache show docker-compose-v2 >/dev/null 2>&1; then # Ubuntu
        apt-get install -y -qq --no-install-recommends docker-compose-v2 docker-buildx
    elif apt-cache policy docker-compose | grep -q 'Candidate: 2'; then # Debian 13 and later
        apt-get install -y -qq --no-install-recommends docker-compose docker-buildx
    else
        install_plugins_from_trixie
    fi
}

start_engine() {
    if [ -d /run/systemd/system ]; then
        log="journalctl -u docker"
        systemctl enable --now docker
    else # A container or a bare machine without a service manager: the daemon runs in the background
        log=/var/log/dockerd.log
        rm -f /var/run/docker.pid
        setsid dockerd >$log 2>&1 </dev/null &
    fi
    deadline=$(($(date +%s) + 60))
    until docker version >/dev/null 2>&1; do
        [ "$(date +%s)" -lt "$deadline" ] || die "the engine does not answer after 60 s; read $log"
        sleep 0.2
    done
}

if docker version >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; then
    say "already installed: engine $(docker version --format '{{.Server.Version}}'), Compose $(docker compose version --short)"
    exit 0
fi
[ "$(id -u)" = 0 ] || die "installing needs root; run: sudo make engine"
command -v apt-get >/dev/null || die "only Debian and Ubuntu (apt) are supported; elsewhere install Docker Desktop or Docker Engine"

export DEBIAN_FRONTEND=noninteractive
say "installing docker.io and iptables"
apt-get update -qq
apt-get install -y -qq --no-install-recommends docker.io iptables ca-certificates >/dev/null
docker compose version >/dev/null 2>&1 || { say "installing Compose and Buildx"; install_plugins >/dev/null; }
docker version >/dev/null 2>&1 || { say "starting the engine"; start_engine; }
say "ready: engine $(docker version --format '{{.Server.Version}}'), Compose $(docker compose version --short)"
