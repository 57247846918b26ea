// Blocks of a package that were allocated long ago and still live, oldest first.
//   node older-than.mjs TRACE PACKAGE SECONDS
import { openTrace } from 'memprof';

const [, , path, packageName, seconds] = process.argv;
const trace = await openTrace(path);
const age = { min: Number(seconds) * 1e9, max: Infinity };
for await (const block of trace.blocks({ package: packageName, age })) {
  const functions = block.stack.frames.map((frame) => frame.function ?? '?');
  console.log(
    `0x${block.address.toString(16)}: ${block.sizeBytes} bytes, ${(block.ageNs / 1e9).toFixed(1)} s old,`,
    JSON.stringify(functions.slice(0, 4).join(' < ')),
  );
}
trace.close();
