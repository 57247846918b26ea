// How long blocks live, from the events: what dies young could be kept in a pool.
//   node lifetimes.mjs TRACE
import { EventKind, openTrace } from 'memprof';

const trace = await openTrace(process.argv[2]);
const bornNs = new Map();
const limits = [1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, Infinity];
const counts = new Array(limits.length).fill(0);
// Batch by batch: memory grows with the live blocks, not with the events.
for (const batch of trace.events()) {
  for (let row = 0; row < batch.count; row++) {
    const serial = batch.serial[row];
    if (batch.kind[row] === EventKind.allocation) {
      bornNs.set(serial, batch.timeNs[row]);
    } else if (serial >= 0) {
      const livedNs = batch.timeNs[row] - bornNs.get(serial);
      counts[limits.findIndex((limit) => livedNs < limit)]++;
      bornNs.delete(serial);
    }
  }
}
for (const [at, limit] of limits.entries())
  console.log(
    `${counts[at]} blocks lived less than ${limit === Infinity ? 'for ever' : `${limit} ns`}`,
  );
console.log(`${bornNs.size} blocks were still live at the end`);
trace.close();
