// sharp-idle PACKAGES IMAGES: resizes pictures in a loop, collects garbage (node --expose-gc), and is idle. Says how
// much memory it had, as the kernel counts it.
const { readFileSync } = require('node:fs');
const { join } = require('node:path');
const [, , packages, images] = process.argv;
const sharp = require(join(packages, 'node_modules', 'sharp'));

const kernel = (field) =>
  1024 * Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(readFileSync('/proc/self/status', 'utf8'))[1]);

(async () => {
  const background = { r: 51, g: 102, b: 153 };
  const input = await sharp({ create: { width: 2000, height: 1500, channels: 3, background } }).png().toBuffer();
  for (let i = 0; i < images; i++) await sharp(input).resize(800).jpeg().toBuffer();
  for (let i = 0; i < 3; i++) {
    globalThis.gc();
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  console.log(JSON.stringify({ residentBytes: kernel('VmRSS'), peakBytes: kernel('VmHWM') }));
})();
