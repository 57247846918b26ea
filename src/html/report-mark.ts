// In the first line of every report: it may be replaced by a newer one. Must not import anything.
export const reportMark = 'memprof report';
