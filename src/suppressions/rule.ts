// What a suppression says once it is read.

export type SuppressionFormat = 'lsan' | 'valgrind';

/** A line of a valgrind entry; 'any' is "...": any number of frames, none too. */
export type FramePattern =
  | { is: 'any' }
  | { is: 'fun' | 'obj'; glob: string }
  | { is: 'src'; glob: string; line: number | null };

export type LeakKind = 'definite' | 'indirect' | 'possible' | 'reachable';

interface RuleFacts {
  /** As the user named it. */
  file: string;
  /** From 1: of the rule itself, of a valgrind entry its brace. */
  line: number;
  /** 'stack': frames far from the allocation count, too. */
  scope: 'allocation' | 'stack';
  /** Matches findings of this fingerprint alone; null: any. */
  fingerprint: string | null;
}

export type SuppressionRule = RuleFacts &
  (
    | { format: 'lsan'; template: string }
    | {
        format: 'valgrind';
        name: string;
        /** null: no match-leak-kinds line, so all. */
        kinds: ReadonlySet<LeakKind> | null;
        frames: readonly FramePattern[];
      }
  );

/** "leaks.supp:12: leak:libfoo". Not escaped. */
export function ruleText(rule: SuppressionRule): string {
  const what = rule.format === 'lsan' ? `leak:${rule.template}` : `{ ${rule.name} }`;
  return `${rule.file}:${rule.line}: ${what}`;
}
