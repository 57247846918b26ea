// What the mapper needs of the file system.

export interface SourceFile {
  text: string;
  modifiedMs: number;
}

export interface SourceFiles {
  /** null: no such file, not a regular file, or longer than `maxBytes`. Never throws. */
  read(path: string, maxBytes: number): SourceFile | null;
}
