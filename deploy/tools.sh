#!/bin/sh
# Sees to the tools that a make target needs: what is missing is installed on a Debian-like system where
# that is allowed, and named with the command that installs it where it is not.
#
# Usage: deploy/tools.sh GROUP...   with GROUP one of build, lint, fuzz, namespaces, browser, receivers
set -eu
cd "$(dirname "$0")/.."

missing=""
unpacked=""

want() { # want COMMAND PACKAGE
    command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || [ -x "/sbin/$1" ] || missing="$missing $2"
}

# For what is a daemon when it is installed, or belongs to one version of Python: the files will do.
want_files() { # want_files FILE PACKAGE
    [ -e "target/tools/$1" ] || unpacked="$unpacked $2"
}

unpack() {
    command -v dpkg-deb >/dev/null 2>&1 || {
        echo "unpack these Debian packages into target/tools:$unpacked" >&2
        exit 1
    }
    echo "unpacking into target/tools:$unpacked" >&2
    mkdir -p target/tools/packages
    (
        cd target/tools/packages
        # shellcheck disable=SC2086 # the packages are words
        apt-get download $unpacked >/dev/null 2>&1 || {
            [ "$(id -u)" != 0 ] || apt-get update >/dev/null
            apt-get download $unpacked >/dev/null
        }
        for package in *.deb; do
            dpkg-deb --extract "$package" ..
        done
    )
    rm -r target/tools/packages
}

# What a package manager may well install too old.
check_versions() {
    node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' || {
        echo "the front end needs Node 20.19 or newer, and this is $(node --version): see https://nodejs.org" >&2
        exit 1
    }
}

for group in "$@"; do
    case "$group" in
    build)
        command -v cargo >/dev/null 2>&1 || {
            echo "vipwatch needs cargo 1.95 or newer: see https://rustup.rs" >&2
            exit 1
        }
        want cc gcc
        want node nodejs
        want npm npm
        ;;
    lint)
        for component in fmt clippy; do
            cargo "$component" --version >/dev/null 2>&1 && continue
            name=$(echo "$component" | sed 's/^fmt$/rustfmt/')
            rustup component add "$name" || {
                echo "cargo $component is missing; install it: rustup component add $name" >&2
                exit 1
            }
        done
        ;;
    fuzz)
        cargo +nightly fuzz --version >/dev/null 2>&1 || {
            echo "fuzzing needs a nightly toolchain and cargo-fuzz: rustup toolchain install nightly; cargo install cargo-fuzz" >&2
            exit 1
        }
        want c++ g++
        ;;
    namespaces)
        want unshare util-linux
        want ip iproute2
        want nft nftables
        ;;
    browser)
        want chromium chromium
        ;;
    receivers)
        want python3 python3
        want unshare util-linux
        want_files usr/bin/prometheus-alertmanager prometheus-alertmanager
        want_files usr/lib/python3/dist-packages/aiosmtpd python3-aiosmtpd
        want_files usr/lib/python3/dist-packages/attr python3-attr
        want_files usr/lib/python3/dist-packages/public python3-public
        ;;
    *)
        echo "tools.sh: there is no group \"$group\"" >&2
        exit 2
        ;;
    esac
done

if [ -n "$unpacked" ]; then
    unpack
fi
if [ -z "$missing" ]; then
    check_versions
    exit 0
fi
install="apt-get install --yes --no-install-recommends$missing"
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
    echo "installing:$missing" >&2
    export DEBIAN_FRONTEND=noninteractive
    apt-get update >/dev/null
    # shellcheck disable=SC2086 # the packages are words
    $install >/dev/null
    check_versions
else
    echo "these packages are missing:$missing" >&2
    echo "install them: sudo $install" >&2
    exit 1
fi
