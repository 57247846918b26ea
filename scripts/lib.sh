# What the scripts share. Sourced by them, never run.
# shellcheck shell=bash
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

say() { printf '%s\n' "$*" >&2; }
step() { printf '\n== %s\n' "$*" >&2; }
# Facts first, then what to do; each further argument is a line of its own.
die() {
  printf 'error: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf '  %s\n' "$line" >&2; done
  exit 1
}
have() { command -v "$1" >/dev/null 2>&1; }
# version_at_least HAVE NEED: dotted numbers.
version_at_least() { [ "$(printf '%s\n%s\n' "$2" "$1" | sort -V | head -n 1)" = "$2" ]; }

# Rust installed by rustup is a set of proxies that look for toolchains under $HOME/.rustup. With
# another HOME (a build user, a clean CI home) the proxies are on PATH and find nothing, so point
# them at the folder that stands beside them.
find_rust() {
  local cargo
  if ! have cargo && [ -x "$HOME/.cargo/bin/cargo" ]; then PATH="$HOME/.cargo/bin:$PATH"; fi
  if have cargo && ! cargo --version >/dev/null 2>&1 && [ -z "${RUSTUP_HOME:-}" ]; then
    cargo=$(command -v cargo)
    local beside="${cargo%/.cargo/bin/cargo}/.rustup"
    if [ -d "$beside" ]; then export RUSTUP_HOME="$beside"; fi
  fi
  export PATH
}
find_rust

# Two jobs unless the machine is smaller: an 8 GiB laptop links Rust with more only by swapping.
jobs=$(nproc)
[ "$jobs" -gt 2 ] && jobs=2
export CMAKE_BUILD_PARALLEL_LEVEL="$jobs" CARGO_BUILD_JOBS="$jobs"
