// Exits 0 when node_modules holds exactly the versions that package-lock.json names, 1 otherwise.
// `npm ls` is not used: it takes seconds and forgives a version that is only in range.
import { readFileSync } from 'node:fs';

function packagesOf(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).packages;
  } catch {
    return null; // absent or half-written: not installed
  }
}

const wanted = packagesOf('package-lock.json');
const installed = packagesOf('node_modules/.package-lock.json');
const differs =
  wanted === null ||
  installed === null ||
  Object.entries(wanted).some(([path, { version, optional }]) => {
    if (path === '' || (optional && !(path in installed))) return false;
    return installed[path]?.version !== version;
  });
process.exitCode = differs ? 1 : 0;
