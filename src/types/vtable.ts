// The class of an object whose first word points into a vtable. Pure.

/**
 * From the symbol that holds the address: "vtable for shop::Image" is shop::Image. A construction vtable stands
 * there only while a constructor or destructor runs: "construction vtable for Base-in-Image" is Image.
 * null: another symbol, so the word is no vtable's.
 */
export function classOfVtable(symbol: string): string | null {
  const whole = /^vtable for (.+)$/.exec(symbol);
  if (whole !== null) return whole[1];
  const under = /^construction vtable for .+-in-(.+)$/.exec(symbol);
  return under === null ? null : under[1];
}
