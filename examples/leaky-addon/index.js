// Serves a morning's worth of map tiles out of the native cache, then ends.
import { createRequire } from 'node:module';

const { TileCache } = createRequire(import.meta.url)('./build/tile_cache.node');

const tileBytes = 16 * 1024;
const cache = new TileCache(64);

function renderTile(x, y) {
  return Buffer.alloc(tileBytes, (x * 31 + y) % 251);
}

function storeTile(x, y) {
  cache.put(`tile-${x}-${y}`, renderTile(x, y), `layer=roads;style=night;zoom=${x % 18};row=${y}`);
}

function previewTile(x, y) {
  const preview = cache.thumbnail(`tile-${x}-${y}`);
  return preview === undefined ? 0 : preview.length;
}

let previewBytes = 0;
for (let x = 0; x < 100; x++) {
  for (let y = 0; y < 20; y++) {
    storeTile(x, y);
    previewBytes += previewTile(x, y);
  }
}

console.log(`${cache.size} tiles in the cache, ${previewBytes} bytes of previews made`);
