// What memprof-run and its thread for live pages tell each other. Must not import anything.

export interface LivePagesData {
  /** 0: any that is free. */
  port: number;
  token: string;
}

export type ToPages =
  | { kind: 'follow'; path: string }
  /** The trace is whole. */
  | { kind: 'finish' };

export type FromPages =
  | { kind: 'listening'; port: number }
  /** It listens no more, or never did. */
  | { kind: 'failed'; code: string; message: string }
  /** Every page that asked has what there is. */
  | { kind: 'finished' };
