#!/bin/sh
# kvtier as it is installed: what ./kvtier does in a clone, with everything built already.
#   phase60 | phase70 [ctest options]   the experiment through ctest, then its closing table
#   ctest ...                           ctest over the suites
#   anything else                       the program itself
set -eu
prefix=$(dirname -- "$(dirname -- "$(readlink -f -- "$0")")")
programs=$prefix/lib/kvtier
suites=$prefix/share/kvtier/ctest/suites.cmake

# with_suites WORD...: runs it where ctest finds the suites and may write
with_suites() {
  KVTIER_WORKING_DIR=$PWD
  KVTIER_CTEST_DIR=$(mktemp -d "${TMPDIR:-/tmp}/kvtier-ctest.XXXXXX")
  export KVTIER_WORKING_DIR KVTIER_CTEST_DIR
  trap 'rm -rf "$KVTIER_CTEST_DIR"' EXIT
  echo "include([==[$suites]==])" >"$KVTIER_CTEST_DIR/CTestTestfile.cmake"
  "$@"
}

# held WORD...: runs it so that a signal to this script reaches it and all that it started: a shell that waits for a
# foreground child would run its traps only when that has ended by itself
held() {
  trap 'let_go; exit 130' INT
  trap 'let_go; exit 143' TERM HUP
  setsid "$@" </dev/null &
  wait "$!"
}

let_go() {
  [ -n "${!-}" ] || return 0
  kill -s TERM -- "-$!" 2>/dev/null || kill -s TERM "$!" 2>/dev/null || true # it may not lead a group yet
  wait "$!" || true
}

experiment() {
  name=$1
  shift
  status=0
  exec 3>&1 # the live view travels past ctest
  held env KVTIER_LIVE_FD=3 ctest --test-dir "$KVTIER_CTEST_DIR" --label-regex "^$name\$" --no-tests=error --output-on-failure \
    --output-junit "$KVTIER_CTEST_DIR/$name.xml" "$@" || status=$?
  "$programs/kvtier" summary "$name" --ctest-exit "$status" --ctest-junit "$KVTIER_CTEST_DIR/$name.xml" \
    --gtest-dir "$KVTIER_CTEST_DIR/gtest"
}

over_suites() {
  held ctest --test-dir "$KVTIER_CTEST_DIR" "$@"
}

case "${1:-help}" in
  phase60 | phase70) with_suites experiment "$@" ;;
  ctest)
    shift
    with_suites over_suites "$@"
    ;;
  build | test | bench | cross | package | test-aarch64)
    echo "kvtier: '$1' builds or tests kvtier itself: it is a word of ./kvtier in a clone of the repository" >&2
    exit 2
    ;;
  help | --help | -h)
    "$programs/kvtier" help
    cat <<TEXT

Through ctest, with its options:
  phase70      the paired experiment B1 against B2 on this machine's stack, its gates and its verdict
  phase60      the concurrency sweep of B2 and B1
  ctest        ctest over the suites: kvtier ctest -N; kvtier ctest -L '^reuse_verify\$'

Results go to ./results, or to BENCH_RESULTS_ROOT. Documents: $prefix/share/doc/kvtier
TEXT
    ;;
  *) exec "$programs/kvtier" "$@" ;;
esac
