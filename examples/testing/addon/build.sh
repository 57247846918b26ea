#!/usr/bin/env bash
# Builds build/tiny_digest.node with g++ and the headers that the project's own packages bring:
# nothing is downloaded.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../../.." && pwd)
out="$here/build/tiny_digest.node"
mkdir -p "$here/build"

for source in "$here"/src/*; do
  if [ "$source" -nt "$out" ]; then stale=1; fi
done
[ "${stale:-0}" = 1 ] || exit 0

# Into place at once: somebody may be loading the old one.
half="$out.$$"
g++ -std=c++17 -O2 -g -fPIC -shared -o "$half" \
  -DNAPI_VERSION=8 -DNAPI_CPP_EXCEPTIONS \
  -I"$root/node_modules/node-addon-api" -I"$root/node_modules/node-api-headers/include" \
  "$here"/src/*.cc
mv "$half" "$out"
