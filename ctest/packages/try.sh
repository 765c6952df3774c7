#!/bin/sh
# try.sh DEB WORK: installs the package with apt in a tree of Debian 12 below WORK and uses it there as an ordinary user: commands over
# nothing, the cases of the suites, and a short phase70 on the reference stack. Then removes it. A package of another architecture runs
# under qemu-user, and without phase70: there the worker's model is not listed within the time of the preflight.
# Needs root, debootstrap and a network. Exit code 77: this machine cannot, and why. Setting: KVTIER_DEBIAN_MIRROR.
set -eu

skip() {
  echo "skipped: $*"
  exit 77
}

fail() {
  echo "try: $*" >&2
  exit 1
}

[ -f "${1:-}" ] || skip "there is no package ${1:-}: ./kvtier package makes it"
deb=$1
architecture=$(dpkg-deb --field "$deb" Architecture)
tree=$2/$architecture
emulated=no
[ "$(id -u)" = 0 ] || skip "trees of Debian need root"
command -v debootstrap >/dev/null || skip "debootstrap is not installed (apt-get install debootstrap)"
unshare --mount true 2>/dev/null || skip "this machine forbids mount namespaces"
if [ "$architecture" != "$(dpkg --print-architecture)" ]; then
  emulated=yes
  handler=/proc/sys/fs/binfmt_misc/qemu-aarch64
  grep -q '^flags:.*F' "$handler" 2>/dev/null ||
    skip "the kernel does not hand arm64 programs to qemu: there is no $handler with flag F (qemu-user-static and binfmt-support bring it)"
fi

if [ ! -e "$tree.done" ]; then
  rm -rf "$tree"
  mkdir -p "$2"
  debootstrap --arch="$architecture" --variant=minbase bookworm "$tree" "${KVTIER_DEBIAN_MIRROR:-http://deb.debian.org/debian}" ||
    skip "debootstrap cannot make a tree of $architecture"
  touch "$tree.done"
fi
apt-config dump 2>/dev/null | grep -E '^Acquire::https?::Proxy ' >"$tree/etc/apt/apt.conf.d/99proxy" || true
cp /etc/resolv.conf "$tree/etc/resolv.conf"
cp "$deb" "$tree/tmp/kvtier.deb"

# inside USERSPEC FOLDER WORD...: in the tree, with a clean environment and mounts that end with it
inside() {
  user=$1
  folder=$2
  shift 2
  # shellcheck disable=SC2016 # expanded by the inner shell
  unshare --mount --propagation private sh -c '
    tree=$1 user=$2 folder=$3
    shift 3
    mount --bind /proc "$tree/proc"
    mount --bind /sys "$tree/sys"
    mount --rbind /dev "$tree/dev"
    exec chroot --userspec="$user" "$tree" /usr/bin/env -i --chdir="$folder" \
      PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/srv/kvtier "$@"' sh "$tree" "$user" "$folder" "$@"
}
as_user() {
  inside 10001:10001 /srv/kvtier "$@"
}

# expect "TEXT" WORD...: the program says it
expect() {
  text=$1
  shift
  output=$(as_user "$@" 2>&1) || fail "$*: exit $?: $output"
  case $output in
    *"$text"*) echo "$*: says '$text'" ;;
    *) fail "$*: does not say '$text', but: $output" ;;
  esac
}

inside 0:0 / apt-get --quiet --quiet update
inside 0:0 / DEBIAN_FRONTEND=noninteractive apt-get --quiet --quiet --yes --no-install-recommends install /tmp/kvtier.deb >"$tree.log" 2>&1 ||
  fail "apt does not install it: $(tail -n 5 "$tree.log")"
rm -rf "$tree/srv/kvtier"
install --directory --owner 10001 --group 10001 "$tree/srv/kvtier"

expect "kvtier $(dpkg-deb --field "$deb" Version | sed 's/-.*//')" kvtier --version
expect "phase70" kvtier help
expect "profile nano (/usr/lib/kvtier/fixtures/profiles/nano.yaml)" kvtier config show --profile nano
expect "pairs" kvtier plan --sd-pct 6 --effect-pct 10
expect "PairedExperiment" kvtier ctest -N --label-regex '^phase70$'
cases=$(as_user kvtier ctest -N) || fail "kvtier ctest -N: $cases"
case $cases in *Quick*) fail "a check of the build is among the cases of the installed suites" ;; esac

if [ "$emulated" = no ]; then
  # The shape of the tests, under the name that the suites ask for: a proof of the package, not of the machine.
  mkdir "$tree/srv/kvtier/profiles"
  cp "$tree/usr/share/kvtier/fixtures/profiles/nano.yaml" "$tree/srv/kvtier/profiles/reference.yaml"
  status=0
  as_user KVTIER_PROFILE_DIR=/srv/kvtier/profiles BENCH_PHASE70_PAIRS=2 kvtier phase70 >"$tree.phase70" 2>&1 || status=$?
  cat "$tree.phase70"
  # 1: too few pairs for a decision, or a machine that is too busy; the verdict is there.
  [ "$status" -le 1 ] || fail "phase70 ended with $status"
  grep -q '^ *verdict ' "$tree.phase70" || fail "phase70 came to no verdict"
fi

inside 0:0 / apt-get --quiet --quiet --yes purge kvtier >>"$tree.log" 2>&1 || fail "apt does not remove it"
for left in usr/bin/kvtier usr/lib/kvtier usr/share/kvtier usr/share/doc/kvtier; do
  [ ! -e "$tree/$left" ] || fail "the removed package left /$left"
done
echo "package $architecture: installs, runs, and goes"
