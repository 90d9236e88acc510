# Shell functions of ./demo and ./check: say what happens, install what is missing. Sourced, from the
# root of the repository; works as root, and as a user through sudo.

say() { printf '== %s\n' "$*"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "needs root to run: $* (there is no sudo)"
    fi
}

# install_missing 'TEST PACKAGE'...: TEST is a command, or a file by its absolute path.
install_missing() {
    missing=
    for pair in "$@"; do
        test=${pair% *}
        case $test in
        /*) [ -e "$test" ] || missing="$missing ${pair#* }" ;;
        *) command -v "$test" >/dev/null || missing="$missing ${pair#* }" ;;
        esac
    done
    [ -n "$missing" ] || return 0
    command -v apt-get >/dev/null || fail "please install:$missing (there is no apt-get here)"
    say "installing:$missing"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
    # shellcheck disable=SC2086
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y -o Dpkg::Use-Pty=0 --no-install-recommends \
        $missing >/dev/null
}

# Where Go keeps what it builds, for accounts without a home.
go_homes() {
    if [ -z "${HOME:-}" ]; then
        export GOPATH="${GOPATH:-$PWD/build/go}" GOCACHE="${GOCACHE:-$PWD/build/go-cache}"
    fi
}

# go_version CMD: "go1.26.8", or nothing when CMD is no working Go.
go_version() {
    GOTOOLCHAIN=local "$1" version 2>/dev/null | sed -n 's/^go version \(go[0-9.]*\).*/\1/p'
}

# go_at_least CMD MINOR: CMD is Go 1.MINOR or newer.
go_at_least() {
    minor=$(go_version "$1" | sed -n 's/^go1\.\([0-9]*\).*/\1/p')
    [ -n "$minor" ] && [ "$minor" -ge "$2" ]
}

# All go commands there may be, one a line.
go_commands() {
    for go in ${GO:-} go /usr/local/go/bin/go /usr/lib/go/bin/go; do
        command -v "$go" || true
    done 2>/dev/null
}

# Set GO to the Go of tools/go-pin.txt: one that is installed, or the toolchain fetched as a module,
# by any go command, through the module proxy, and held against the checksum kept there.
pinned_go() {
    go_homes
    pin=$(sed -n 's/^version //p' tools/go-pin.txt)
    for go in $(go_commands); do
        if [ "$(go_version "$go")" = "$pin" ]; then
            GO=$go
            return 0
        fi
    done
    case $(uname -m) in
    x86_64) platform=linux-amd64 ;;
    aarch64) platform=linux-arm64 ;;
    *) fail "there is no $pin for $(uname -m)" ;;
    esac
    sum=$(sed -n "s/^$platform //p" tools/go-pin.txt)
    [ -n "$sum" ] || fail "tools/go-pin.txt has no checksum for $platform"
    if [ -z "$(go_commands)" ]; then
        install_missing 'go golang-go' '/etc/ssl/certs/ca-certificates.crt ca-certificates'
    fi
    fetcher=$(go_commands | head -n 1)
    module=golang.org/toolchain@v0.0.1-$pin.$platform
    GO=$("$fetcher" env GOMODCACHE)/$module/bin/go
    [ "$(go_version "$GO")" != "$pin" ] || return 0
    say "fetching $pin as the module $module"
    scratch=$(mktemp -d)
    answer=$(cd "$scratch" && GOTOOLCHAIN=local GOFLAGS='-mod=mod -modcacherw' "$fetcher" mod download -json "$module") ||
        fail "fetching $module failed: $answer"
    rmdir "$scratch" 2>/dev/null || true
    found=$(printf '%s\n' "$answer" | sed -n 's/.*"Sum": "\(.*\)".*/\1/p')
    [ "$found" = "$sum" ] || fail "$module has the checksum $found, not $sum"
    dir=$(printf '%s\n' "$answer" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
    # Modules carry no file modes: the go command sets these when it switches toolchains by itself.
    chmod u+x "$dir"/bin/* "$dir"/pkg/tool/*/*
    GO=$dir/bin/go
    [ "$(go_version "$GO")" = "$pin" ] || fail "$GO does not run"
}

# unpack_packages DIR DEPENDENCIES PACKAGE...: unpack Debian packages into DIR without installing them, for
# those that stand in the way of others (rustc and rustc-web), and what they depend on directly if its
# name matches the pattern DEPENDENCIES. apt-get holds them against the archive's key.
unpack_packages() {
    unpacked=$1 pattern=$2
    shift 2
    command -v apt-get >/dev/null || fail "please unpack into $unpacked: $* (there is no apt-get here)"
    apt-cache show "$@" >/dev/null 2>&1 || as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq update
    packages=$({
        printf '%s\n' "$@"
        apt-cache depends "$@" | sed -n "s/^ *Depends: \($pattern\)\$/\1/p"
    } | sort -u)
    debs=$(mktemp -d)
    chmod 777 "$debs" # apt-get downloads as a user of its own
    # shellcheck disable=SC2086
    (cd "$debs" && apt-get -qq download $packages) || fail "apt-get cannot download" $packages
    for deb in "$debs"/*.deb; do
        dpkg-deb -x "$deb" "$unpacked"
    done
    rm -r "$debs"
}

# BLAKE3's C sources, for the code cache, where the Makefile looks for them.
blake3_sources() {
    for found in build/blake3/usr/share/cargo/registry/blake3-*/c /usr/share/cargo/registry/blake3-*/c; do
        [ ! -e "$found/blake3.h" ] || return 0
    done
    say "fetching the sources of BLAKE3"
    mkdir -p build/blake3
    unpack_packages build/blake3 none librust-blake3-dev
}
