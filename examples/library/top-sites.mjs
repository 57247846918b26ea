// The ten places that hold the most memory, with whose they are.
//   node top-sites.mjs TRACE
import { openTrace } from 'memprof';

const trace = await openTrace(process.argv[2]);
for (const site of (await trace.sites()).slice(0, 10)) {
  // The first frame of the package's own code says more than malloc.
  const frame = site.frames.find(({ module }) => module === site.module) ?? site.frames[0];
  const owner = site.package === null ? site.owner : `${site.package.name} ${site.package.version}`;
  const where = frame?.function ?? frame?.module ?? 'unknown';
  console.log(
    `${site.sizeBytes} bytes in ${site.blockCount} blocks: ${owner}, ${JSON.stringify(where)}`,
  );
}
trace.close();
