// What a process's meta records say about it: its command, modules, code, texts, and its Node.
import type { Address, CodeInfo, CodeLines, ModuleInfo } from '../model/index.js';
import type { MetaRecord, ModuleFacts } from './meta.js';

export class ProcessFacts {
  /** null: it has not said yet. */
  command: { executable: string; cwd: string; argv: string[] } | null = null;
  nodeVersion: string | null = null;
  v8Version: string | null = null;
  readonly codes: CodeInfo[] = [];
  readonly codeLines: CodeLines[] = [];
  readonly texts: [id: number, text: string][] = [];
  readonly unknownTypes = new Set<number>();
  private readonly moduleById = new Map<number, ModuleFacts>();

  add(record: MetaRecord): void {
    switch (record.type) {
      case 'process':
        this.command = record;
        break;
      case 'module':
        this.moduleById.set(record.module.id, record.module);
        break;
      case 'module-gone': {
        const module = this.moduleById.get(record.id);
        if (module !== undefined) module.unloadedTick = record.tick;
        break;
      }
      case 'code':
        this.codes.push(record.code);
        break;
      case 'code-lines':
        this.codeLines.push(record.lines);
        break;
      case 'text':
        this.texts.push([record.id, record.text]);
        break;
      case 'agent':
        // Workers say the same, later.
        if (this.nodeVersion === null || record.isMainThread) {
          this.nodeVersion = record.nodeVersion || null;
          this.v8Version = record.v8Version || null;
        }
        break;
      case 'unknown':
        this.unknownTypes.add(record.number);
        break;
    }
  }

  modules(nsPerTick: number): ModuleInfo[] {
    return Array.from(
      this.moduleById.values(),
      ({ loadedTick, unloadedTick, base, low, high, ...module }) => ({
        ...module,
        base: base as Address,
        low: low as Address,
        high: high as Address,
        loadedNs: loadedTick * nsPerTick,
        unloadedNs: unloadedTick === null ? null : unloadedTick * nsPerTick,
      }),
    );
  }
}
