// Numbers as people read them. 1024 is KiB here, never KB. Must not import anything.

const steps: ReadonlyArray<[number, string, number]> = [
  [1024 ** 4, 'TiB', 2],
  [1024 ** 3, 'GiB', 2],
  [1024 ** 2, 'MiB', 1],
  [1024, 'KiB', 1],
];

export function formatBytes(sizeBytes: number): string {
  for (const [unit, name, digits] of steps) {
    // Compared after rounding, or 1048575 bytes would be "1024.0 KiB".
    if (Math.abs(sizeBytes) >= unit - unit / 1024 / 20)
      return `${(sizeBytes / unit).toFixed(digits)} ${name}`;
  }
  return `${sizeBytes} B`;
}

/** 1234567 is 1,234,567 whatever the machine's locale. */
export function formatCount(count: number): string {
  return String(count).replace(/\B(?=(\d{3})+(?!\d))/g, ',');
}

export function formatDuration(timeNs: number): string {
  if (timeNs < 1e3) return `${Math.round(timeNs)} ns`;
  if (timeNs < 1e6) return `${(timeNs / 1e3).toFixed(1)} µs`;
  if (timeNs < 1e9) return `${(timeNs / 1e6).toFixed(1)} ms`;
  if (timeNs < 60e9) return `${(timeNs / 1e9).toFixed(2)} s`;
  const seconds = Math.round(timeNs / 1e9);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${seconds % 60} s`;
  return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function formatPercent(part: number, whole: number): string {
  if (whole === 0) return '-';
  const percent = (100 * part) / whole;
  // Neither nothing nor all of it, or the other rows would be in doubt.
  if (percent < 100 && percent >= 99.95) return '99.9%';
  return percent > 0 && percent < 0.1 ? '<0.1%' : `${percent.toFixed(1)}%`;
}
