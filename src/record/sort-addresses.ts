// Rows in order of an address column. Comparing takes a second for a million rows, this a few hundredths:
// least significant digits first, and no digit that is the same in all rows.

const digitBits = 12;
const digits = 1 << digitBits;

/** Row numbers, lowest address first; addresses are whole and below 2^48. */
export function rowsByAddress(addresses: Float64Array): Uint32Array {
  const count = addresses.length;
  const low = new Uint32Array(count);
  const high = new Uint32Array(count);
  for (let row = 0; row < count; row++) {
    low[row] = addresses[row]! % 2 ** 24;
    high[row] = Math.floor(addresses[row]! / 2 ** 24);
  }
  let rows = new Uint32Array(count);
  for (let row = 0; row < count; row++) rows[row] = row;
  let other = new Uint32Array(count);
  for (const column of [low, high]) {
    for (const shift of [0, digitBits]) {
      if (!sortByDigit(column, shift, rows, other)) continue;
      [rows, other] = [other, rows];
    }
  }
  return rows;
}

/** From `rows` to `sorted`; false: all rows have the same digit, nothing was done. */
function sortByDigit(
  column: Uint32Array,
  shift: number,
  rows: Uint32Array,
  sorted: Uint32Array,
): boolean {
  const place = new Uint32Array(digits);
  for (let row = 0; row < column.length; row++) place[(column[row]! >>> shift) & (digits - 1)]!++;
  let sum = 0;
  for (let digit = 0; digit < digits; digit++) {
    const rowsOfDigit = place[digit]!;
    if (rowsOfDigit === rows.length && rows.length > 0) return false;
    place[digit] = sum;
    sum += rowsOfDigit;
  }
  for (let at = 0; at < rows.length; at++) {
    const row = rows[at]!;
    sorted[place[(column[row]! >>> shift) & (digits - 1)]!++] = row;
  }
  return true;
}
