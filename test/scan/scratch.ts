// A folder of the test file's own, gone when its process ends.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'memprof-scan-test-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
