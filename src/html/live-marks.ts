// What the server of live pages and the page know each other by. Must not import anything.

/** Of the element whose data-build says which build's data the page will get. */
export const liveElementId = 'memprof-live';
/** In each page that can ask for data. */
export const liveMark = '<meta name="memprof-live"';
/** Which data these are: the page says which it has. */
export const versionHeader = 'x-memprof-version';
