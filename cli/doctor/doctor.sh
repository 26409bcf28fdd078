#!/bin/sh
# `make doctor`: looks at what the platform needs of this machine. A line for each: state, what, finding, the exact fix.
# `doctor.sh quick` is for `make up`: only what costs nothing to see, and only what is wrong with it.
# Needs no Python and nothing built. Ends with 1 if anything has to be mended, not for a mere warning.
# The `#` at a line's end keeps a Windows line ending out of the command, so that it can be told of:
if grep -q "$(printf '\r')" "$0"; then echo "fail  checkout        its files have Windows line endings; fix: git config core.autocrlf false && git rm -r -q --cached . && git reset --hard   (commit your changes first)"; exit 1; fi #
set -u
LC_ALL=C
export LC_ALL

mode=${1:-all}
failed=0
proc=${DOCTOR_PROC:-/proc} # elsewhere in its tests
IDLE_MB=1300     # all services at rest, measured: docs/benchmarks.md
RUN_MB=600       # a run of the main job
WORKER_MB=300    # a Dask worker at rest
BUILD_MB=8000    # the images, and what building them leaves behind
ROOM_MB=2000     # taxi files and what they become in the stores
COMPOSE=2.20     # the first with `include`
PYTHON=3.9

# line STATE WHAT FINDING [FIX]
line() {
    [ "$1" = fail ] && failed=1
    [ "$mode" = quick ] && [ "$1" = ok ] && return
    printf '%-5s %-15s %s%s\n' "$1" "$2" "$3" "${4:+; fix: $4}"
}

# A command that may hang, for at most so many seconds; without `timeout`, as on macOS, for as long as it takes
within() {
    seconds=$1
    shift
    if command -v timeout >/dev/null 2>&1; then timeout "$seconds" "$@"; else "$@"; fi
}

has() { command -v "$1" >/dev/null 2>&1; }

# Whether version $1 is at least $2, as major.minor
at_least() {
    awk -v found="$1" -v wanted="$2" 'BEGIN {
        split(found, f, "."); split(wanted, w, ".")
        exit !(f[1] + 0 > w[1] + 0 || (f[1] + 0 == w[1] + 0 && f[2] + 0 >= w[2] + 0))
    }'
}

# A setting: of the environment, of .env, or of .env.example
setting() {
    value=$(eval "printf %s \"\${$1:-}\"")
    for file in .env .env.example; do
        [ -z "$value" ] && [ -f "$file" ] && value=$(sed -n "s/^$1=//p" "$file" | tail -n 1)
    done
    printf %s "$value"
}

check_checkout() {
    # What a shell or a container reads; Python takes either line ending
    found=$(grep -l "$(printf '\r')" Makefile .env.example services/base/healthy services/flows/bin/* infra/*/*.sh infra/*/*.conf 2>/dev/null)
    [ -f .env ] && grep -q "$(printf '\r')" .env && found=".env $found"
    if [ -z "$found" ]; then line ok checkout "line endings as they have to be"; else
        line fail checkout "Windows line endings in $(echo "$found" | head -n 1 | cut -d ' ' -f 1) and perhaps others" \
            "git config core.autocrlf false && git rm -r -q --cached . && git reset --hard   (commit your changes first)"
    fi
}

check_python() {
    if ! has python3; then
        line fail python3 "there is none" "install Python $PYTHON or newer: apt-get install python3, or on macOS xcode-select --install"
        return
    fi
    [ "$mode" = quick ] && return # ctl says it when it is too old
    version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)
    if at_least "${version:-0}" $PYTHON; then line ok python3 "$version"; else
        line fail python3 "${version:-it does not start}; $PYTHON or newer is needed" "put a newer one first on PATH"
    fi
}

check_clock() {
    now=$(date -u +%s)
    # Not before the newest file of the checkout's own: certificates would not be valid yet
    born=$(git log -1 --format=%ct 2>/dev/null || echo 0)
    if [ "$now" -lt "${born:-0}" ]; then
        line fail clock "$(date -u '+%Y-%m-%d %H:%M') UTC is before this checkout was made: downloads would fail" \
            "sudo timedatectl set-ntp true, or set it by hand: sudo date -u -s 'YYYY-MM-DD HH:MM'"
    else
        line ok clock "$(date -u '+%Y-%m-%d %H:%M') UTC, and not before this checkout was made"
    fi
}

check_disk() {
    free=$(df -Pk . | awk 'NR == 2 {print int($4 / 1000)}')
    need=$ROOM_MB
    [ "${built:-yes}" = no ] && need=$((need + BUILD_MB))
    if [ "${free:-0}" -ge $need ]; then
        line ok disk "$((free / 1000)) GB free here"
    elif [ "${free:-0}" -lt 500 ]; then
        line fail disk "$free MB free here, about $need MB are needed" "free some; what Docker holds: docker system df"
    else
        line warn disk "$free MB free here, about $need MB are needed" "free some; old builds: docker builder prune"
    fi
}

check_memory() {
    need=$((IDLE_MB + RUN_MB))
    [ "$(setting ENGINE)" = dask ] && need=$((need + WORKER_MB * $(setting WORKERS) + WORKER_MB))
    # Listens where its start page does: it runs already, and what it takes is not free any more
    here=$(printf ':%04X ' "$(setting START_PORT)")
    grep -q "$here.* 0A " "$proc/net/tcp" 2>/dev/null && need=$RUN_MB
    where="this machine"
    free=$(awk '/^MemAvailable:/ {print int($2 / 1000)}' "$proc/meminfo" 2>/dev/null)
    if [ "${desktop:-no}" = yes ] || [ -z "$free" ]; then
        where="Docker's machine"
        free=${engine_mb:-}
    fi
    if [ -z "$free" ]; then
        [ "$mode" = quick ] || line warn memory "cannot be seen here; about $need MB are needed" "look that so much is free"
    elif [ "$free" -ge $need ]; then
        line ok memory "$free MB free in $where, about $need MB are needed"
    elif [ "$where" = "this machine" ]; then
        line warn memory "$free MB free in $where, about $need MB are needed: it may become slow" "close other programs"
    else
        line warn memory "$where has $free MB, about $need MB are needed" "Docker Desktop: Settings, Resources, Memory"
    fi
}

check_engine() {
    engine=no
    if ! has docker; then
        line warn engine "there is no docker command: the platform will run without (docs/embedded.md)" \
            "Debian, Ubuntu: sudo make engine; else install Docker Desktop"
        return
    fi
    case ${DOCKER_HOST:-} in tcp:* | ssh:*)
        line fail engine "DOCKER_HOST=$DOCKER_HOST is another machine, which does not have these files" "unset DOCKER_HOST"
        return ;;
    esac
    form='{{.ServerVersion}}|{{.OperatingSystem}}|{{.MemTotal}}|{{.SecurityOptions}}'
    if said=$(within 20 docker info --format "$form" 2>&1); then
        describe_engine "$(printf '%s\n' "$said" | grep '|' | tail -n 1)"
        return
    fi
    case $said in
        *"permission denied"*)
            line fail engine "it runs, but you may not speak to it" "sudo usermod -aG docker $(id -un), then log out and in" ;;
        *)
            fix="Debian, Ubuntu: sudo make engine; elsewhere start Docker"
            [ "$(uname)" = Darwin ] && fix="start Docker Desktop"
            line fail engine "docker is installed, but no engine answers" "$fix" ;;
    esac
}

# VERSION|SYSTEM|BYTES|SECURITY
describe_engine() {
    engine=yes
    version=$(echo "$1" | cut -d '|' -f 1)
    engine_mb=$(($(echo "$1" | cut -d '|' -f 3) / 1000000))
    case $1 in
        *"name=rootless"*)
            line fail engine "Docker $version is rootless: its socket is not /var/run/docker.sock, which the platform uses" \
                "docker context use default, with an engine of the system; or make up RUNTIME=embedded" ;;
        *"Docker Desktop"*)
            desktop=yes
            line ok engine "Docker Desktop, Docker $version" ;;
        *) line ok engine "Docker $version" ;;
    esac
}

check_plugins() {
    version=$(docker compose version --short 2>/dev/null | sed 's/^v//')
    fix="Debian, Ubuntu: sudo make engine; else update Docker"
    if at_least "${version:-0}" $COMPOSE; then line ok compose "$version"; else
        line fail compose "${version:-is missing}; $COMPOSE or newer is needed" "$fix"
    fi
    version=$(docker buildx version 2>/dev/null | awk '{print $2}')
    if [ -n "$version" ]; then line ok buildx "$version"; else
        line warn buildx "is missing: engines from 23 on need it to build" "$fix"
    fi
}

check_images() {
    built=no
    tag=${ORIONBOX_TAG:-$(sed -n 's/^ORIONBOX_TAG=//p' compose/versions.env)}
    if docker image inspect "orionbox/flows:$tag" >/dev/null 2>&1; then
        built=yes
        line ok images "built: neither registry nor package index is needed until the sources change"
        return
    fi
    for base in debian:bookworm-slim debian:trixie-slim; do check_base "$base"; done
    check_index
}

check_base() {
    if docker image inspect "$1" >/dev/null 2>&1; then
        line ok registry "$1 is here"
    elif said=$(within 15 docker manifest inspect "$1" 2>&1); then
        line ok registry "$1 can be pulled"
    elif has debootstrap || has apt-get; then
        line warn registry "$1 cannot be pulled ($(reason "$said"))" \
            "none needed as root: make up makes it from this machine's Debian mirror"
    else
        line fail registry "$1 cannot be pulled ($(reason "$said"))" \
            "connect to the internet, or on a machine that has it: docker save $1 | gzip > base.tar.gz; here: docker load -i base.tar.gz"
    fi
}

check_index() {
    if ! said=$(python3 -m pip --version 2>&1); then
        line warn "package index" "cannot be asked: python3 has no pip" "none; the build will tell"
    elif said=$(within 20 python3 -m pip index versions --disable-pip-version-check uv 2>&1); then
        line ok "package index" "answers"
    else
        line fail "package index" "$(reason "$said")" "$(index_fix "$said")"
    fi
}

index_fix() {
    case $1 in
        *CERTIFICATE* | *certificate*) echo "put your proxy's authority into infra/certs/ as .crt file" ;;
        *) echo "connect to the internet, or name your mirror: export PIP_INDEX_URL=https://..." ;;
    esac
}

# The first words of what a program said
reason() {
    case $1 in
        *CERTIFICATE_VERIFY_FAILED* | *x509*) echo "its certificate is not trusted" ;;
        "") echo "no answer in time" ;;
        *) printf '%s' "$1" | tail -n 1 | cut -c 1-80 ;;
    esac
}

check_certificates() {
    count=0 bad=0
    for file in infra/certs/*.crt /usr/local/share/ca-certificates/*.crt; do
        [ -f "$file" ] || continue
        count=$((count + 1))
        if ! grep -q 'BEGIN CERTIFICATE' "$file"; then
            bad=1
            line fail ca "$file is no PEM certificate" "openssl x509 -inform der -in '$file' -out '$file'"
        elif has openssl && ! openssl x509 -checkend 0 -noout -in "$file" >/dev/null 2>&1; then
            bad=1
            line fail ca "$file has expired" "get the new one from whoever runs your network"
        fi
    done
    [ $bad = 1 ] || line ok ca "$count certificates of this site go into the images, beside Debian's"
}

check_ports() {
    taken=0
    list_listeners
    for name in $(sed -n 's/^\([A-Z_]*_PORT\)=.*/\1/p' .env.example); do
        port=$(setting "$name")
        printf '%s\n' "$listeners" | grep -q "^$port " || continue
        container=$(holder_container "$port")
        case $container in "$(setting COMPOSE_PROJECT_NAME) "*) continue ;; esac
        taken=$((taken + 1))
        free=$((port + 1))
        while printf '%s\n' "$listeners" | grep -q "^$free "; do free=$((free + 1)); done
        holder=$(printf '%s\n' "$listeners" | awk -v port="$port" '$1 == port && $2 != "" {print $2; exit}')
        [ -n "$container" ] && holder="container ${container#* }"
        line warn "port $port" "is held by ${holder:-another program}" "none needed: make up takes the next free one; or $name=$free in .env"
    done
    [ $taken -gt 0 ] || line ok ports "all are free, or this platform's own"
}

# Sets `listeners`: a line for each port that is listened on, with the program's name where it may be seen
list_listeners() {
    if has ss; then
        listeners=$(ss -ltnpH 2>/dev/null | awk '{
            port = $4; sub(/.*:/, "", port); name = ""
            if (match($0, /\("[^"]*"/)) name = substr($0, RSTART + 2, RLENGTH - 3)
            print port " " name }')
    elif has lsof; then
        listeners=$(lsof -nP -iTCP -sTCP:LISTEN 2>/dev/null | awk 'NR > 1 {port = $9; sub(/.*:/, "", port); print port " " $1}')
    else
        # /proc/net/tcp: state 0A listens, the port is hexadecimal
        listeners=$(awk '$4 == "0A" {split($2, a, ":"); print a[2]}' "$proc/net/tcp" "$proc/net/tcp6" 2>/dev/null |
            while read -r hex; do echo "$((0x$hex)) "; done)
    fi
}

# "PROJECT CONTAINER" that publishes the port; empty where none does
holder_container() {
    [ "${engine:-no}" = yes ] || return 0
    docker ps --filter "publish=$1" --format '{{.Label "com.docker.compose.project"}} {{.Names}}' 2>/dev/null | head -n 1
}

# With CLOUD=gcp: the key, as far as it can be seen without Python; then what Google says, asked by the images, if any
check_cloud() {
    if [ "$(setting CLOUD)" != gcp ]; then
        line ok "gcp key" "none is needed: Cloud Storage and BigQuery are emulated (CLOUD=$(setting CLOUD))"
        return
    fi
    check_key || return
    if [ "${built:-no}" = no ] || [ ! -f .env ] || [ ! -f secrets/ca-bundle.crt ]; then
        line warn "gcp account" "bucket, datasets and roles cannot be asked for before the images are there" \
            "make up, which builds them and asks before it starts anything"
        return
    fi
    ask_google
}

check_key() {
    file=$(setting GCP_KEY_FILE) project=$(setting GCP_PROJECT)
    case $file in "~/"*) file=$HOME/${file#"~/"} ;; esac
    if [ ! -f "$file" ]; then
        line fail "gcp key" "there is no $file" "put your service account's key there; how to make one: docs/cloud.md"
        return 1
    elif [ ! -r "$file" ]; then
        line fail "gcp key" "$file cannot be read" "sudo chown $(id -un) $file"
        return 1
    elif ! grep -q '"type" *: *"service_account"' "$file" || ! grep -q '"private_key" *:' "$file"; then
        line fail "gcp key" "$file is not the key of a service account" \
            "gcloud iam service-accounts keys create $file --iam-account=...   (docs/cloud.md)"
        return 1
    elif grep -q "\"project_id\" *: *\"$project\"" "$file"; then
        line ok "gcp key" "$file, of project $project"
    else
        line warn "gcp key" "$file is of another project than GCP_PROJECT=$project" \
            "none, if its account has roles there; else set GCP_PROJECT in .env"
    fi
}

# The platform's own dry run, in a container of the bootstrap's; each of its lines is: state, what, finding, fix
ask_google() {
    said=$(PYTHONPATH=src within 120 ./orionbox cloud-check 2>&1)
    lines=$(printf '%s\n' "$said" | grep "$(printf '\t.*\t.*\t')")
    if [ -z "$lines" ]; then
        line fail "gcp account" "Google could not be asked ($(reason "$said"))" "make up, which says more"
        return
    fi
    tab=$(printf '\t')
    while IFS=$tab read -r state what finding fix; do
        line "$state" "$what" "$finding" "$fix"
    done <<LINES
$lines
LINES
}

cd "$(dirname "$0")/../.." || exit 1
check_checkout
check_python
if [ "$mode" != quick ]; then
    check_engine
    [ "$engine" = yes ] && check_plugins && check_images
    check_ports
    check_certificates
    check_cloud
fi
check_memory
check_disk
check_clock
exit $failed
