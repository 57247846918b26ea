// Columns that grow.

export function grown<T extends Float64Array | Uint32Array | Uint16Array | Uint8Array | Int32Array>(
  old: T,
  to: T,
): T {
  to.set(old);
  return to;
}
