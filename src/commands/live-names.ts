// Whose the stacks of a running process are, which of them are one site, and their names: at once without
// symbols, with them as they come, so that nobody waits for the symbols of node.
import { SiteKeys } from '../checks/index.js';
import type { StackFacts } from '../live/index.js';
import type { ModuleInfo, StackId, TraceModel } from '../model/index.js';
import { exportedRanges } from '../native/index.js';
import { ownFolders, packageFiles, type StackNamer, stackContext } from '../query/index.js';
import {
  frameText,
  ownerText,
  plumbingOf,
  type StackContext,
  shortPlaceOf,
  stackLines,
  whereText,
} from '../report/index.js';
import {
  BlockClassifier,
  isNodeProcess,
  type NamedStack,
  noSymbols,
  type Owner,
  symbolize,
} from '../symbols/index.js';

/** A view waits less for ten small batches than for a big one. */
const batchStacks = 64;

interface ShownStack extends NamedStack {
  isNamed: boolean;
  where: string;
  /** What the filter looks at, in lower case. */
  searched: string;
}

export class LiveNames {
  readonly #namer: StackNamer;
  readonly #packageOf = packageFiles();
  readonly #shown = new Map<number, ShownStack>();
  readonly #owners = new Map<number, Owner>();
  /** By id, the same object at each look: whoever keeps what it found of a module finds it again. */
  readonly #modules = new Map<number, ModuleInfo>();
  readonly #classifier: BlockClassifier;
  readonly #keys: SiteKeys;
  #model: TraceModel;
  #isNaming = false;

  constructor(model: TraceModel, namer: StackNamer) {
    this.#namer = namer;
    this.#model = model;
    this.#classifier = new BlockClassifier(
      () => this.#model.stacks,
      () => this.#model.modules,
      isNodeProcess(model.process),
      exportedRanges,
      this.#packageOf,
    );
    this.#keys = new SiteKeys(this.#parts());
    this.refresh(model);
  }

  /** What is known at this look. */
  refresh(model: TraceModel): void {
    const modules = model.modules.map((module) => {
      const known = this.#modules.get(module.id) ?? module;
      this.#modules.set(module.id, known);
      return known;
    });
    this.#model = { ...model, modules };
    this.#classifier.refresh();
    this.#keys.refresh(this.#parts());
  }

  factsOf(stackId: number): StackFacts {
    const owner = this.#ownerOf(stackId);
    const isRuntime = owner.kind === 'node';
    return {
      siteKey: owner.kind === 'memprof' ? null : this.#keys.siteOf(stackId, isRuntime),
      packageName: ownerText(owner),
    };
  }

  /** Without symbols where there are none yet. */
  async place(stackIds: readonly number[]): Promise<void> {
    const missing = stackIds.filter((id) => !this.#shown.has(id)) as StackId[];
    if (missing.length === 0) return;
    const model = this.#model;
    const owners = { owner: (id: StackId) => this.#ownerOf(id) };
    const placed = await symbolize(model, missing, noSymbols, { owners });
    for (const id of missing) {
      // Its name may have come meanwhile.
      if (!this.#shown.has(id)) this.#keep(id, placed.stack(id), model, false);
    }
  }

  /** In the background, some of them. Those that are asked for first come first. */
  name(stackIds: readonly number[]): void {
    if (this.#isNaming) return;
    const missing = stackIds
      .filter((id) => this.#shown.get(id)?.isNamed !== true)
      .slice(0, batchStacks) as StackId[];
    if (missing.length === 0) return;
    this.#isNaming = true;
    const model = this.#model;
    const owners = { owner: (id: StackId) => this.#ownerOf(id) };
    this.#namer
      .nameStacks(model, missing, owners)
      .then((symbols) => {
        for (const id of missing) this.#keep(id, symbols.stack(id), model, true);
        this.#isNaming = false;
      })
      .catch(() => {
        // The view shows places in modules then, marked as such; what failed comes again, and is told, in the report.
      });
  }

  /** One that was placed. */
  shown(stackId: number): { where: string; isNamed: boolean; searched: string } {
    return this.#shown.get(stackId) ?? { where: '', isNamed: false, searched: '' };
  }

  lines(stackId: number, columns: number): string[] {
    const stack = this.#shown.get(stackId);
    if (stack === undefined) return [];
    return stackLines(stack, stackContext(this.#model), { columns, indent: 1 });
  }

  #keep(id: number, stack: NamedStack, model: TraceModel, isNamed: boolean): void {
    const { frames, owner, key } = stack;
    const texts = [ownerText(owner), ...frames.map((frame) => frameText(frame, 200))];
    this.#shown.set(id, {
      frames,
      owner,
      key,
      isNamed,
      where: whereOf(stack, stackContext(model)),
      searched: texts.join('\n').toLowerCase(),
    });
  }

  #ownerOf(stackId: number): Owner {
    let owner = this.#owners.get(stackId);
    if (owner === undefined) this.#owners.set(stackId, (owner = this.#classifier.ownerOf(stackId)));
    return owner;
  }

  #parts() {
    const { stacks, modules, codes, process } = this.#model;
    return { stacks, modules, codes, isNode: isNodeProcess(process), ownFolders };
  }
}

/** Of what Node allocated for a program's JavaScript, that JavaScript: one function of node serves all Buffers. */
function whereOf(stack: NamedStack, context: StackContext): string {
  if (stack.owner.kind === 'node') {
    const js = stack.frames.find(
      (frame) => frame.kind === 'js' && plumbingOf(frame, context) === null,
    );
    if (js !== undefined) return `${frameText(js, 40)} ${shortPlaceOf(js, context)}`;
  }
  return whereText(stack, context);
}
