// Symbols of data, from this machine's files.
import { resolveData } from '../native/index.js';
import type { NameData } from './root-names.js';

export const nameData: NameData = async (path, buildId, addresses) => {
  const { symbol, offset } = await resolveData(path, buildId, addresses);
  return symbol.map((name, at) =>
    name === null ? null : { symbol: name, offsetBytes: offset[at] },
  );
};
