// sharp PACKAGES IMAGES: resizes pictures and writes them as JPEG, PNG and WebP.
const { join } = require('node:path');
const [, , packages, images] = process.argv;
const sharp = require(join(packages, 'node_modules', 'sharp'));
const width = 640;
const height = 480;
const raw = Buffer.alloc(width * height * 3);
for (let i = 0; i < raw.length; i++) raw[i] = (i * 31 + ((i >> 8) * 17)) & 255;
const formats = ['jpeg', 'png', 'webp'];

async function one(n) {
  const picture = sharp(raw, { raw: { width, height, channels: 3 } }).resize(64 + (n % 200));
  const small = await picture.toFormat(formats[n % 3]).toBuffer();
  const { format } = await sharp(small).metadata();
  if (format !== formats[n % 3]) throw new Error(`wrote ${format}`);
}
(async () => {
  for (let n = 0; n < images; n += 4) await Promise.all([0, 1, 2, 3].map((k) => one(n + k)));
})();
