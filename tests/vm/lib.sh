# SPDX-License-Identifier: GPL-2.0-only
# Shared by the scripts of this folder: where things are, how to say what is
# going on, how to get a Debian package without installing it.

set -euo pipefail

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BUILD:-$TOP/build}
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/npu
# VERSION: Debian's kernel. VERSION-debug, -kcsan, -uml: built from its source.
# VERSION-clang: nothing but headers to build modules with clang.
DEFAULT_KERNEL=6.12
export KERNEL=${KERNEL:-$DEFAULT_KERNEL}
VERSION=${KERNEL%%-*}
NEWER_DEBIAN=trixie
TFLITE_DEBIAN=${TFLITE_DEBIAN:-sid}	# where TensorFlow Lite is packaged
PEERS_DEBIAN=${PEERS_DEBIAN:-sid}	# where oneDNN and XNNPACK are newest
ARCH=$(dpkg --print-architecture)
mkdir -p "$CACHE"

say() { printf '\033[1m==>\033[0m %s\n' "$*" >&2; }

complain() {
	printf '\033[1;31merror:\033[0m %s\n' "$1" >&2
	shift
	for line; do
		printf '       %s\n' "$line" >&2
	done
}

die() { complain "$@"; exit 1; }

# What cannot be had here and now, as the mirror does not answer or lacks it: exit
# code 77, for which a test is skipped. For anything else it fails.
UNAVAILABLE=77
unavailable() { complain "$@"; exit $UNAVAILABLE; }

# apt_failed LOG TEXT...: is it the network, or something that is to be mended?
apt_failed() {
	local log=$1 network
	shift
	network='Could not (resolve|connect)|Temporary failure (in )?resolving|Unable to connect'
	network+='|Cannot initiate the connection|[Cc]onnection (failed|refused|timed out)'
	network+='|Network is unreachable|No route to host|does not have a Release file'
	network+='|Could not wait for server|Connection reset|Error reading from server'
	network+='|50[0-9]  [A-Z]'
	# What a full disk or a wrong checksum brings about may look like the network too.
	if grep -qE "$network" "$log" &&
	   ! grep -qE 'Hash Sum mismatch|[Ss]ize mismatch|unexpected size|No space left' "$log" &&
	   ! grep -qE 'signatures? .*(not valid|invalid)|NO_PUBKEY|is not signed' "$log"; then
		unavailable "$@"
	fi
	die "$@"
}

case $TOP$BUILD$CACHE in
*[[:space:]]*)
	die "the build systems of kernel and image cannot cope with spaces in paths" \
	    "checkout: $TOP" "cache: $CACHE (XDG_CACHE_HOME chooses another place)" ;;
esac

# timed TEXT COMMAND...: say what runs and how long it took.
timed() {
	local text=$1 start=$SECONDS
	shift
	say "$text ..."
	"$@"
	say "$text: $((SECONDS - start)) s"
}

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "this needs root, and there is no sudo: $*"
	fi
}

# At most once an hour, whichever script asks.
apt_update_once() {
	[ -z "$(find "$CACHE/apt-updated" -mmin -60 2>/dev/null)" ] || return 0
	say "reading the package lists: apt-get update (as root)"
	as_root apt-get -q update >&2
	touch "$CACHE/apt-updated"
}

# Options of apt. newer_debian makes it see the next release and its backports, or
# SUITE, instead of the machine's: same mirror and keys, but lists of their own, so
# that nothing of it can be installed by accident.
APT=()
newer_debian() {	# [SUITE]
	local dir=$CACHE/apt${1:+-$1} suites=${1:-"$NEWER_DEBIAN $NEWER_DEBIAN-backports"}
	APT=(-o Dir::Etc::SourceList="$dir/sources.list" -o Dir::Etc::SourceParts=-
	     -o Dir::State::Lists="$dir/lists" -o Dir::State::Status="$dir/status"
	     -o Dir::Cache="$dir/cache")
	(	# One at a time, as in unpacked.
		flock 9
		[ -n "$(find "$dir/updated" -mmin -600 2>/dev/null)" ] || read_lists "$dir" "$suites"
	) 9>"$CACHE/lock" || exit
}

read_lists() {	# FOLDER SUITES
	local dir=$1 suites=$2 site suite key=/usr/share/keyrings/debian-archive-keyring.gpg
	site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Origin: Debian' | head -n 1)
	mkdir -p "$dir"/{lists/partial,cache} &&
	: >"$dir/status" &&
	for suite in $suites; do
		echo "deb [signed-by=$key] $site $suite main"
	done >"$dir/sources.list" || die "cannot write to $dir"
	say "reading the package lists of Debian $suites"
	LC_ALL=C apt-get "${APT[@]}" -q -o APT::Update::Error-Mode=any update >"$dir/log" 2>&1 || {
		cat "$dir/log" >&2
		apt_failed "$dir/log" "cannot read Debian $suites at $site"
	}
	touch "$dir/updated"
}

# apt_field PACKAGE FIELD: a field of the newest version of a package; nothing if there is none.
apt_field() {
	{ apt-cache "${APT[@]}" --no-all-versions show "$1" 2>/dev/null || true; } |
		sed -n "s/^$2: //p" | head -n 1
}

# need_package PACKAGE: fails with advice if apt does not know it.
need_package() {
	[ -n "$(apt_field "$1" SHA256)" ] && return
	apt_update_once
	[ -n "$(apt_field "$1" SHA256)" ] ||
		die "apt does not know the package '$1'" \
		    "check the sources in /etc/apt; on Debian 12 the suites bookworm," \
		    "bookworm-updates and bookworm-security (or bookworm-backports) have it"
}

# unpacked PACKAGE: prints the folder of the cache that holds the package's
# files; downloads and unpacks it first if need be. apt checks the checksum
# against its signed lists; so do we against what was asked for.
unpacked() {
	local package=$1 version hash dir
	need_package "$package"
	version=$(apt_field "$package" Version)
	hash=$(apt_field "$package" SHA256)
	dir=$CACHE/packages/${package}_${version//[^A-Za-z0-9.+~-]/_}_${hash:0:12}
	if [ ! -d "$dir" ]; then
		(	# One download at a time, whoever else wants the same.
			flock 9
			[ -d "$dir" ] || download "$package" "$version" "$hash" "$dir"
		) 9>"$CACHE/lock" || exit
	fi
	echo "$dir"
}

download() {	# PACKAGE VERSION HASH FOLDER
	local tmp
	mkdir -p "$CACHE/packages"
	tmp=$(mktemp -d "$CACHE/packages/tmp.XXXXXX")
	trap "rm -rf '$tmp'" EXIT	# now: callers have a tmp too
	say "downloading $1 $2 ($(($(apt_field "$1" Size) / 1048576)) MB)"
	(cd "$tmp" && LC_ALL=C apt-get "${APT[@]}" -qq download "$1" >&2 2>apt.log) || {
		cat "$tmp/apt.log" >&2
		apt_failed "$tmp/apt.log" "could not download $1" "is there a network? 'apt-get update' may help too"
	}
	echo "$3  $(ls "$tmp"/*.deb)" | sha256sum --quiet -c - >&2 ||
		die "wrong checksum: $1" "try again; 'apt-get update' if that does not help"
	mkdir "$tmp/files" &&
	dpkg-deb -x "$tmp"/*.deb "$tmp/files" &&
	mv -T "$tmp/files" "$4" || die "could not unpack $1"
}

# archive FOLDER: what NPU_ARCHIVE of vm.sh names
archive() { (cd "$1" && find . | cpio --quiet -o -H newc -R 0:0); }

# newer_root NAME HASH TEXT PACKAGE...: prints a folder of the cache with packages
# of the newer Debian and all that they need, unpacked; nothing is installed.
# After newer_debian.
newer_root() {
	local dir=$CACHE/tools/$1_${2:0:12} text=$3
	shift 3
	if [ ! -d "$dir" ]; then
		"$TOP/tests/vm/deps.sh" newer || exit 1
		(	# As in unpacked.
			flock 9
			[ -d "$dir" ] || make_root "$dir" "$text" "$@"
		) 9>"$CACHE/lock" || exit
	fi
	echo "$dir"
}

make_root() {	# FOLDER TEXT PACKAGE...
	local dir=$1 text=$2 file tmp
	shift 2
	mkdir -p "$CACHE/tools"
	tmp=$(mktemp -d "$CACHE/tools/tmp.XXXXXX") || exit 1
	trap "rm -rf '$tmp'" EXIT
	mkdir -p "$tmp/deb/partial" "$tmp/root"
	say "downloading $text"
	LC_ALL=C apt-get "${APT[@]}" -o Dir::Cache::Archives="$tmp/deb" -qq -o APT::Sandbox::User=root \
		-y -d --no-install-recommends install base-files "$@" >"$tmp/log" 2>&1 || {
		cat "$tmp/log" >&2
		apt_failed "$tmp/log" "could not download $text"
	}
	for file in "$tmp"/deb/base-files_* "$tmp"/deb/*.deb; do
		dpkg-deb -x "$file" "$tmp/root" || die "could not unpack ${file##*/}"
	done
	ln -sf dash "$tmp/root/usr/bin/sh" &&
	ln -sf mawk "$tmp/root/usr/bin/awk" &&
	mv -T "$tmp/root" "$dir" || die "could not write $dir"
}

# need_root TEXT SCRIPT: a folder that a script prints, as $root. Without it the suite ends:
# the test TEXT is skipped if it cannot be had, else it fails. After tap.sh.
need_root() {
	local log=$BUILD/${2##*/}.log code=0
	mkdir -p "$BUILD"
	root=$("$2" 2>"$log") || code=$?
	[ $code != 0 ] || return 0
	if [ $code = $UNAVAILABLE ]; then
		skip "$1" "$(sed -n 's/.*error:[^ ]* //p' "$log")"
	else
		check "$1" eval 'cat "$log"; false'
	fi
	finish
}

# enter FOLDER: "${inside[@]}" COMMAND... runs with such a folder as the root, and with
# our files where they are; without FOLDER as always.
inside=()
enter() {
	local bind
	[ -n "$1" ] || return 0
	inside=(bwrap --die-with-parent --bind "$1" / --proc /proc --dev-bind /dev /dev --tmpfs /tmp)
	for bind in "$TOP" "$BUILD" "$CACHE"; do
		inside+=(--bind "$bind" "$bind")
	done
}
