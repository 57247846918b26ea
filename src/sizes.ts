// Sizes in memory as people write them: '24 MiB', '512KiB', '100 B'. Pure; must not import but errors.
import { ExitCode, MemprofError } from './errors.js';

const unitBytes: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  k: 1024,
  kib: 1024,
  m: 1024 ** 2,
  mib: 1024 ** 2,
  g: 1024 ** 3,
  gib: 1024 ** 3,
  t: 1024 ** 4,
  tib: 1024 ** 4,
};

/** Of a size with its unit, or of bytes. null: it is none. */
export function sizeBytes(text: string): number | null {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = match === null ? undefined : unitBytes[match[2].toLowerCase()];
  return match === null || unit === undefined ? null : Math.round(Number(match[1]) * unit);
}

/** Bytes of a number or of a text; what is neither is an error that says why and what to write. */
export function parseSize(size: unknown, place: string): number {
  if (typeof size === 'number' && Number.isSafeInteger(size) && size >= 0) return size;
  const bytes = typeof size === 'string' ? sizeBytes(size) : null;
  if (bytes !== null && Number.isSafeInteger(bytes)) return bytes;
  throw new MemprofError('ERR_MEMPROF_USAGE', `${place}: ${fault(size)}`, ExitCode.usage);
}

function fault(size: unknown): string {
  const how = "Write a number with B, KiB, MiB or GiB, such as '24 MiB', or a number of bytes";
  if (typeof size !== 'string') {
    const what = typeof size === 'number' ? String(size) : `a value of type ${typeof size}`;
    return `${what} is no size. ${how}`;
  }
  const shown = `'${size}'`;
  const match = /^\s*(\d+(?:\.\d+)?)\s*([^\d\s.]+)\s*$/.exec(size);
  if (match === null) return `${shown} is no size. ${how}`;
  const [, number, unit] = match;
  const decimal = /^([kmgt])b$/i.exec(unit);
  if (decimal === null) return `${shown} has the unit ${unit}, which is none of memory. ${how}`;
  const binary = `${(decimal[1] as string).toUpperCase()}iB`;
  const bytes = (unitBytes[binary.toLowerCase()] as number).toLocaleString('en-US');
  return `${shown}: ${unit} means 1000 to some and 1024 to others. Write '${number} ${binary}' (${bytes} bytes each)`;
}
