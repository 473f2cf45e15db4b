#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# onnxruntime.sh DIR: puts ONNX Runtime 1.21.0 into DIR/include/*.h and DIR/lib/libonnxruntime.so.1.
# Where Debian has it (13 and later) apt brings it. On Debian 12 the library comes out of a pinned npm package and the C headers out of
# Debian 13's package, which apt checks as it does any other. Nothing is done where DIR already holds both, unchanged.
set -eu

version=1.21.0
package=onnxruntime-node-$version.tgz # its sha512:
pinned=35e6825fa596d8bf1c4424aacb76c89e5a39a238d0aaed9f0f70fef56e6a6f98abc31844c96297787daf67c5bdafa57168c3d46a7fb8ffb343c1932da2e67113
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

die() {
    echo "onnxruntime.sh: $*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt_install() {
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -o Dpkg::Use-Pty=0 -qq -y --no-install-recommends "$@" >/dev/null </dev/null ||
        die "apt-get cannot install $*"
}

# Debian's own: DIR gets links to the installed files.
from_debian() {
    apt_install libonnxruntime-dev
    dpkg -L libonnxruntime-dev | grep '/include/.*\.h$' | while read -r h; do ln -sf "$h" "$new/include/"; done
    lib=$(dpkg -L libonnxruntime-dev | grep '/libonnxruntime\.so$') || die "libonnxruntime-dev holds no libonnxruntime.so"
    ln -s "$(readlink -f "$lib")" "$new/lib/libonnxruntime.so.1"
}

# npm is the client that knows where the package is kept; only a machine without it has to install it.
library_from_npm() {
    case $(dpkg --print-architecture) in
    amd64) cpu=x64 ;;
    arm64) cpu=arm64 ;;
    *) die "no ONNX Runtime $version for $(dpkg --print-architecture)" ;;
    esac
    command -v npm >/dev/null || apt_install npm ca-certificates
    (cd "$tmp" && npm pack --loglevel error --update-notifier=false --ignore-scripts --cache "$tmp/npm" "onnxruntime-node@$version" >/dev/null) ||
        die "npm cannot fetch onnxruntime-node@$version"
    echo "$pinned  $tmp/$package" | sha512sum -c --status || die "$package: wrong sha512, not used"
    tar -xzOf "$tmp/$package" "package/bin/napi-v3/linux/$cpu/libonnxruntime.so.1" >"$new/lib/libonnxruntime.so.1"
}

# The mirror that this machine's apt uses for its own release, whichever way its sources are written.
mirror() {
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk '$2 ~ /^(bookworm|oldstable|stable)$/ && $3 == "main" { print $1; exit }'
}

# A private apt configuration: the machine's own package lists and sources stay as they are.
headers_from_trixie() {
    uri=$(mirror)
    [ -n "$uri" ] || die "no Debian mirror among apt's sources"
    mkdir -p "$tmp/apt/lists/partial" "$tmp/apt/cache/archives/partial" "$tmp/apt/parts" "$tmp/deb"
    echo "deb [signed-by=$keyring] $uri trixie main" >"$tmp/apt/sources.list"
    : >"$tmp/apt/status"
    export APT_CONFIG="$tmp/apt/conf"
    cat >"$APT_CONFIG" <<-END
	Dir::Etc::SourceList "$tmp/apt/sources.list";
	Dir::Etc::SourceParts "$tmp/apt/parts";
	Dir::Etc::Preferences "/dev/null";
	Dir::Etc::PreferencesParts "$tmp/apt/parts";
	Dir::State "$tmp/apt";
	Dir::State::status "$tmp/apt/status";
	Dir::Cache "$tmp/apt/cache";
	APT::Sandbox::User "root";
	APT::Get::AllowUnauthenticated "false";
	APT::Update::Error-Mode "any";
	#clear APT::Update::Post-Invoke;
	#clear APT::Update::Post-Invoke-Success;
	END
    apt-get update -qq || die "apt cannot read or trust trixie's package list"
    (cd "$tmp/deb" && apt-get download -qq libonnxruntime-dev) || die "apt cannot fetch libonnxruntime-dev"
    unset APT_CONFIG
    for deb in "$tmp"/deb/libonnxruntime-dev_"$version"*.deb; do
        dpkg -x "$deb" "$tmp/deb" || die "trixie has no libonnxruntime-dev $version"
    done
    find "$tmp/deb/usr/include" -name '*.h' -exec cp {} "$new/include/" \;
}

[ $# = 1 ] || die "usage: onnxruntime.sh DIR"
mkdir -p "$1"
dir=$(cd "$1" && pwd)
[ "$dir" != / ] || die "DIR is the root directory"
if (cd "$dir" && sha256sum -c --status SHA256SUMS) 2>/dev/null; then
    echo "ONNX Runtime $version is in $dir"
    exit 0
fi

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
new=$tmp/new
mkdir -p "$new/include" "$new/lib"
if apt-cache policy libonnxruntime-dev | grep -q 'Candidate: *[1-9]'; then
    from_debian
else
    library_from_npm
    headers_from_trixie
fi
(cd "$new" && sha256sum include/*.h lib/libonnxruntime.so.1 >SHA256SUMS)
rm -rf "${dir:?}/include" "${dir:?}/lib" "$dir/SHA256SUMS"
cp -RP "$new/." "$dir/"
echo "ONNX Runtime $version is in $dir"
