// A chunk that is not what it should be. Internal: openTrace() stops before it, iterating over its
// events throws the MemprofError that names file offset and reason.
export class TraceDamage extends Error {
  override name = 'TraceDamage';
}
