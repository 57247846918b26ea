// How large the live blocks are: a histogram by powers of two.
//   node block-sizes.mjs TRACE
import { openTrace } from 'memprof';

const trace = await openTrace(process.argv[2]);
const counts = new Map();
// Names are not needed, and reading symbols takes time.
for await (const { sizeBytes } of trace.blocks({ names: false })) {
  const bucket = 2 ** Math.ceil(Math.log2(Math.max(1, sizeBytes)));
  counts.set(bucket, (counts.get(bucket) ?? 0) + 1);
}
const most = Math.max(...counts.values());
for (const [bucket, count] of [...counts].sort(([a], [b]) => a - b)) {
  const bar = '#'.repeat(Math.ceil((40 * count) / most));
  console.log(`up to ${String(bucket).padStart(10)} bytes ${String(count).padStart(8)} ${bar}`);
}
trace.close();
