#!/bin/sh
# sysroot.sh ARCHITECTURE FOLDER PACKAGE... : the packages of this Debian release, with all that they depend on, unpacked
# below FOLDER for a cross compiler and for qemu-user. Nothing is installed, no root is needed, and this machine's own
# packages stay as they are: apt works on lists and a state of its own below FOLDER.apt.
#   FOLDER              the tree to give as --sysroot and to `qemu-aarch64-static -L`
#   FOLDER.apt/dpkg     a dpkg database of the tree, with the paths as they lie here: what dpkg-shlibdeps reads
# A tree that was made for these packages is left alone: remove it to have newer ones. Settings: KVTIER_DEBIAN_MIRROR,
# KVTIER_DEBIAN_SECURITY_MIRROR.
# Exit code 77: such a tree cannot be had here, and why.
set -eu
architecture=$1
folder=$2
shift 2
mirror=${KVTIER_DEBIAN_MIRROR:-http://deb.debian.org/debian}
case $folder in
  /*) ;;
  *) folder=$PWD/$folder ;;
esac
work=$folder.apt
request="$architecture: $*"
[ "$request" != "$(cat "$folder.request" 2>/dev/null)" ] || exit 0

skip() {
  echo "sysroot: $*" >&2
  exit 77
}

# unpack DEB: its files into the tree, its entry into the database
unpack() {
  dpkg-deb --fsys-tarfile "$1" >"$work/files.tar"
  tar --extract --verbose --file "$work/files.tar" --directory "$folder" --keep-directory-symlink --no-same-owner >"$work/files"
  rm -rf "$work/control"
  dpkg-deb --control "$1" "$work/control"
  name=$(dpkg-deb --field "$1" Package)
  [ "$(dpkg-deb --field "$1" Multi-Arch)" != same ] || name=$name:$architecture
  sed -e '1a Status: install ok installed' "$work/control/control" >>"$work/dpkg/status"
  echo >>"$work/dpkg/status"
  for kind in shlibs symbols; do
    [ ! -e "$work/control/$kind" ] || cp "$work/control/$kind" "$work/dpkg/info/$name.$kind"
  done
  # Debian 12 ships files below /lib that lie below /usr/lib.
  sed -e 's|^\./|/|' -e 's|/$||' -e 's|^/lib/|/usr/lib/|' -e '/^$/d' -e "s|^|$folder|" "$work/files" \
    >"$work/dpkg/info/$name.list"
}

# What the packages' scripts would have done, as far as a linker and a loader look at it.
finish() {
  libraries=$folder/usr/lib/$(dpkg-architecture --host-arch "$architecture" --query DEB_HOST_MULTIARCH)
  if [ -d "$libraries/openblas-pthread" ]; then # update-alternatives
    for file in "$libraries"/openblas-pthread/libopenblas.*; do
      ln -sf "openblas-pthread/${file##*/}" "$libraries/${file##*/}"
    done
    ln -sf ../openblas-pthread/pkgconfig/openblas.pc "$libraries/pkgconfig/openblas.pc"
  fi
  # A link to /lib/... means this tree's, not the machine's.
  find "$folder" -type l -lname '/*' | while IFS= read -r link; do
    target=$(readlink "$link")
    [ ! -e "$folder$target" ] || ln -snf "$(realpath --relative-to="$(dirname "$link")" "$folder")$target" "$link"
  done
}

for program in apt-get dpkg-deb dpkg-architecture; do
  command -v "$program" >/dev/null || skip "there is no $program here: this needs Debian and its package dpkg-dev"
done
# shellcheck source=/dev/null
release=$(. /etc/os-release && [ "$ID" = debian ] && echo "$VERSION_CODENAME") || skip "this machine's release is no Debian"

mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial"
rm -f "$work"/cache/archives/*.deb # of a run that was stopped: newer lists may name newer ones
: >"$work/empty"
cat >"$work/sources.list" <<TEXT
deb $mirror $release main
deb $mirror $release-updates main
deb ${KVTIER_DEBIAN_SECURITY_MIRROR:-${mirror%/debian}/debian-security} $release-security main
TEXT
apt() {
  apt-get --quiet --quiet -o APT::Architecture="$architecture" -o APT::Architectures::="$architecture" \
    -o Dir::Etc::SourceList="$work/sources.list" -o Dir::Etc::SourceParts=/dev/null \
    -o Dir::State="$work/state" -o Dir::State::status="$work/empty" -o Dir::Cache="$work/cache" \
    -o APT::Sandbox::User="$(id -un)" -o APT::Install-Recommends=false "$@"
}
apt update || skip "the lists of $mirror cannot be had"
if ! apt --download-only --yes install "$@" >"$work/log" 2>&1; then
  tail -n 12 "$work/log" >&2
  skip "these packages cannot be had for $architecture: $*"
fi
rm -rf "$folder" "$folder.request" "$work/dpkg"
mkdir -p "$folder/usr/bin" "$folder/usr/sbin" "$folder/usr/lib" "$work/dpkg/info" "$work/dpkg/updates"
echo 1 >"$work/dpkg/info/format" # files are named after package and architecture
for merged in bin sbin lib; do ln -s "usr/$merged" "$folder/$merged"; done
for deb in "$work"/cache/archives/*.deb; do unpack "$deb"; done
finish
rm -rf "$work/cache/archives" "$work/control" "$work/files" "$work/files.tar" # kept by nobody: the tree is what they were
echo "$request" >"$folder.request"
