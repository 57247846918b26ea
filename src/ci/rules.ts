// What each rule means, in words for people who meet it in CI for the first time. Pure.
import type { FindingRule } from '../checks/index.js';

export interface RuleWords {
  /** For a title: "lost memory". */
  short: string;
  /** One sentence. */
  description: string;
  /** What to do. */
  help: string;
}

export const ruleWords: Record<FindingRule, RuleWords> = {
  lost: {
    short: 'lost memory',
    description: 'Native memory that nothing points to any more and that was never freed.',
    help: 'The stack shows where the block was allocated. Free it on every way out of the function that owned it: an early return or an exception is the usual reason, an overwritten pointer the next.',
  },
  orphaned: {
    short: 'orphaned memory',
    description:
      'The JavaScript object that the memory belonged to was collected, and the memory was not freed.',
    help: "Free it in the object's finalizer (napi_wrap, napi_create_external, ObjectWrap's destructor), and report what is held to V8 with napi_adjust_external_memory.",
  },
  growth: {
    short: 'growing memory',
    description: 'The live blocks of one call site grow with every round.',
    help: 'Something reachable collects them: a cache without a limit, a list of listeners, a map whose entries are never deleted. The details say who holds them.',
  },
  'owner-growth': {
    short: 'growing owners',
    description: 'A class of JavaScript objects holds more native memory with every round.',
    help: 'The objects themselves stay reachable in JavaScript. A heap snapshot with native memory in it (memprof export --format heapsnapshot) shows what keeps them.',
  },
  'resource-growth': {
    short: 'growing resources',
    description: 'Node-API or V8 resources are created and not released.',
    help: 'Delete references, close thread-safe functions, settle deferreds and remove cleanup hooks that the stack shows being created. memprof napi lists them all.',
  },
  'mapping-growth': {
    short: 'growing mappings',
    description:
      "Memory that was mapped from the system rises with every round: a private allocator's, mostly.",
    help: 'Single blocks in a private allocator cannot be seen. Announce them with memprof.h, or build with the allocator of the system to see the call sites.',
  },
  budget: {
    short: 'over budget',
    description: 'A package holds more native memory than its budget allows.',
    help: "Find the sites that hold it in the trace (memprof sites), or raise the budget in memprof's configuration.",
  },
};

export const ruleOrder = Object.keys(ruleWords) as FindingRule[];
