// What a check found fault with: one shape for leak tests, whole runs, budgets, and what CI systems read.

export type FindingRule =
  | 'lost' // nothing points to it
  | 'orphaned' // its JavaScript object was collected, the memory was not freed
  | 'growth' // a call site's live blocks rise with every round
  | 'owner-growth' // a class of JavaScript objects holds more native memory with every round
  | 'resource-growth' // Node-API or V8 resources that are created and not released
  | 'mapping-growth' // mapped memory (a private allocator's) rises with every round
  | 'budget'; // more memory than the package may have

export interface FindingFrame {
  kind: 'native' | 'js' | 'marker';
  /** As shown: demangled, not escaped. */
  name: string;
  /** Absolute or a URL, as known; null: unknown. */
  file: string | null;
  line: number | null;
  column: number | null;
  module: string | null;
  packageName: string | null;
}

/** What the author of a package can act on. Texts are as the traced program gave them: whoever prints, escapes. */
export interface CheckFinding {
  rule: FindingRule;
  /** 'error' fails the check. */
  level: 'error' | 'warning' | 'note';
  /** Whose it is; '' where no package is known. */
  packageName: string;
  /** One line: the facts with their units. */
  title: string;
  /** The whole explanation as a terminal shows it without colours, stack included. */
  details: string[];
  /** The frame to point at: the allocating package's nearest one with a file. null: none has. */
  place: { file: string; line: number; column: number | null } | null;
  /** From the allocation outwards. */
  stack: FindingFrame[];
  blockCount: number;
  sizeBytes: number;
  /** null where nothing was repeated. */
  perIteration: { blocks: number; bytes: number } | null;
  /** The suppression that matched; null: none did. A suppressed finding fails nothing. */
  suppressedBy: string | null;
  /** Equal for the same fault across rebuilds: from rule, package and function names; no lines, no addresses. */
  fingerprint: string;
}
