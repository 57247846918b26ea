// What earlier checkpoints saw: which block belonged to an object of which class, and when it was seen last.
// Kept only as long as the block lives: a block is known again by its address and the tick of its birth.

export class OwnerMemory {
  private readonly byAddress = new Map<
    number,
    { bornTick: number; classId: number; lastSeen: number }
  >();
  private readonly classIds = new Map<string, number>();
  private readonly classNames: string[] = [];

  get size(): number {
    return this.byAddress.size;
  }

  *entries(): Iterable<{
    address: number;
    bornTick: number;
    className: string;
    lastSeen: number;
  }> {
    for (const [address, { bornTick, classId, lastSeen }] of this.byAddress)
      yield { address, bornTick, className: this.classNames[classId], lastSeen };
  }

  note(address: number, bornTick: number, className: string, number: number): void {
    let classId = this.classIds.get(className);
    if (classId === undefined) {
      classId = this.classNames.push(className) - 1;
      this.classIds.set(className, classId);
    }
    this.byAddress.set(address, { bornTick, classId, lastSeen: number });
  }

  /** Drops what is known of blocks that are gone. */
  keepOnly(isLive: (address: number, bornTick: number) => boolean): void {
    for (const [address, entry] of this.byAddress)
      if (!isLive(address, entry.bornTick)) this.byAddress.delete(address);
  }
}
