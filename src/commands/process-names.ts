// One traced process while it runs: whose its stacks are, which of them are one site, and names for them.
import { SiteKeys } from '../checks/index.js';
import type { StackId, TraceModel } from '../model/index.js';
import { exportedRanges, findSymbols } from '../native/index.js';
import { nameData, type OpenedTrace, ownFolders, type StackNamer } from '../query/index.js';
import type { QuestionView } from '../record/index.js';
import { BlockClassifier, type StackOwners, type SymbolizedStacks } from '../symbols/index.js';

export class ProcessNames {
  readonly #namer: StackNamer;
  #classifier: BlockClassifier | null = null;
  #keys: SiteKeys | null = null;
  #parts: ReturnType<QuestionView['stackParts']> | null = null;

  constructor(namer: StackNamer) {
    this.#namer = namer;
  }

  /** What is known at this question. */
  refresh(view: QuestionView): { keys: SiteKeys; isRuntime: (stackId: number) => boolean } {
    const parts = view.stackParts();
    this.#parts = parts;
    const now = () => this.#parts as typeof parts;
    this.#classifier ??= new BlockClassifier(
      () => now().stacks,
      () => now().modules,
      parts.isNode,
      exportedRanges,
    );
    this.#classifier.refresh();
    const classifier = this.#classifier;
    this.#keys ??= new SiteKeys({ ...parts, ownFolders });
    this.#keys.refresh({ ...parts, ownFolders });
    return {
      keys: this.#keys,
      isRuntime: (stackId) => {
        const { isRuntime, isOurs } = classifier.of(stackId);
        return isRuntime || isOurs;
      },
    };
  }

  stacks(
    model: TraceModel,
    stackIds: Iterable<StackId>,
    owners?: StackOwners,
  ): Promise<SymbolizedStacks> {
    return this.#namer.nameStacks(model, stackIds, owners);
  }

  /** Much cheaper than names. */
  owners(model: TraceModel, stackIds: Iterable<StackId>): Promise<StackOwners> {
    return this.#namer.findOwners(model, stackIds);
  }

  /** As a trace that was opened. */
  opened(model: TraceModel, tracePath: string | null): OpenedTrace {
    return {
      model,
      tracePath: tracePath ?? '',
      nameStacks: this.#namer.nameStacks,
      findOwners: this.#namer.findOwners,
      nameData,
      findSymbols,
    };
  }
}
