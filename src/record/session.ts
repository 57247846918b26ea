// One run of memprof-run: finds the processes that join, drains them all, and answers with what was
// recorded of each.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as util from 'node:util';
import { clockMs } from '../clock.js';
import type { TraceModel } from '../model/index.js';
import type { RootStatus } from './ended.js';
import { FolderWatch } from './folder-watch.js';
import { IdleCores } from './idle-cores.js';
import type { ProcessRecorder } from './process-recorder.js';
import type { QuestionView } from './question-view.js';
import type { RecordedProcess, RecorderOptions } from './recorded.js';
import {
  makeSessionFolder,
  removeSessionFolder,
  type SessionFolder,
  sweepDeadSessions,
  watcherPrefix,
} from './session-folder.js';
import { SessionHeader, Untraced } from './wire.js';

export interface SessionOptions extends RecorderOptions {
  /** Somebody in another terminal wants to watch and listens on this socket: see watcher-socket.ts. */
  onWatcher?(socketPath: string): void;
  /**
   * Once, when the program has run for a while, its rings are nearly empty and a core is idle: what is recorded of it so
   * far. `isOver`: the program has ended, and nothing is to be done ahead any more.
   */
  onIdle?(model: TraceModel, isOver: () => boolean): void;
  /** How many cores have to be idle for that. */
  idleCores?: number;
  firstRingBytes?: number;
  ringBytes?: number;
  metaBytes?: number;
  maxFrames?: number;
  /** SessionFlag in wire.ts; default: a checkpoint before the end. */
  sessionFlags?: number;
  /** A folder that is made already, with the settings above written in it. */
  home?: SessionFolder;
  /** Where to look for room; default: memory-backed folders, then the temporary folder. */
  candidates?: string[];
}

/** Longer slices would hold up signals that have to be forwarded. */
const sliceMs = 15;
const minPauseMs = 2;
const maxPauseMs = 10;
/** A program that has asked something soon asks again, and waits for the answer. */
const attentiveMs = 2000;
const attentivePauseMs = 1;
/** From a checkpoint's file to its mark: other threads are stopped meanwhile. */
const newsMs = 20;
const livenessIntervalMs = 50;
/** Most programs have loaded their modules by then. */
const idleAfterMs = 150;
const idleLookMs = 100;
/** The other half may be ours. */
const fewestIdleCores = 0.5;
const crowd = 4;
const busyWords = 1 << 14;
/** How long other processes of the session may outlive the root. */
const graceMs = 300;
/** After asking a process to stop: how long its last records may take. */
const detachMs = 50;

export class Session {
  readonly folder: string;
  readonly environment: { MEMPROF_SESSION: string };
  /** Which process is the program itself; set as soon as it is known. */
  rootPid: number | null = null;

  private readonly options: SessionOptions;
  private readonly home: SessionFolder;
  private readonly recorders: ProcessRecorder[] = [];
  private readonly seen = new Set<string>();
  private readonly finished: RecordedProcess[] = [];
  private readonly warnings: string[] = [];
  private recorderClass: typeof ProcessRecorder | null = null;
  private nextLivenessMs = 0;
  private idle: IdleCores | null = null;
  /** Infinity: one was idle, or nobody wants to know. */
  private nextIdleLookMs: number;
  private pausedUntilMs = 0;
  private isStopping = false;
  private hasLetGo = false;
  /** Since the first question. */
  private watch: FolderWatch | null = null;
  private newsUntilMs = 0;
  private wake: () => void = () => undefined;
  private readonly loop: Promise<void>;

  constructor(options: SessionOptions) {
    this.options = options;
    sweepDeadSessions(options.candidates);
    this.home = options.home ?? makeSessionFolder(options, options.candidates);
    this.folder = this.home.path;
    this.environment = { MEMPROF_SESSION: this.folder };
    this.nextIdleLookMs = options.onIdle === undefined ? Infinity : clockMs() + idleAfterMs;
    this.loop = this.run();
    // finish() awaits it and tells of a failure. The program must not wait for it meanwhile.
    this.loop.catch(() => this.letGo());
  }

  /** The headers of the processes that are being recorded now; the program's own alone, or all. */
  headerPaths(which: 'root' | 'all'): string[] {
    return this.recorders
      .filter(({ pid, wasReplaced }) => !wasReplaced && (which === 'all' || pid === this.rootPid))
      .map(({ pid, generation }) => join(this.folder, `p${pid}.${generation}`));
  }

  /** Sentences about processes that could not be recorded; whole after finish(). */
  get unrecorded(): readonly string[] {
    return this.warnings;
  }

  /** What is recorded of a process as of now (null: of the program itself); null where there is none such. */
  look<Seen>(pid: number | null, use: (view: QuestionView) => Seen): Seen | null {
    const wanted = pid ?? this.rootPid;
    const recorder = this.recorders.findLast((each) => each.pid === wanted && !each.wasReplaced);
    return recorder?.isStarted === true ? recorder.look(use) : null;
  }

  /** Leaves the rings alone for a while: what a busy machine does to a reader. */
  pauseForTest(ms: number): void {
    this.pausedUntilMs = clockMs() + ms;
  }

  /** The root has ended: records what is left of the session and closes it. */
  async finish(status: RootStatus): Promise<RecordedProcess[]> {
    await this.stop();
    const deadline = clockMs() + graceMs;
    while (true) {
      this.findProcesses();
      await this.closeGone(status);
      const isScanning = this.recorders.some((each) => each.awaitsScan && !each.isRunning());
      if (this.recorders.length === 0 || (clockMs() > deadline && !isScanning)) break;
      for (const recorder of this.recorders) recorder.slice(sliceMs, false);
      await sleep(minPauseMs);
    }
    await this.detachRest(status);
    this.warnings.push(...untracedWarnings(this.folder));
    this.letGo();
    const root = this.finished.findLast(({ isRoot }) => isRoot) ?? this.finished[0];
    root?.warnings.push(...this.warnings);
    return this.finished;
  }

  /** Gives up: the programs run on, nothing is reported. */
  async abort(): Promise<void> {
    await this.stop().catch(() => undefined);
    for (const recorder of this.recorders) await recorder.abort();
    this.recorders.length = 0;
    this.letGo();
  }

  private async run(): Promise<void> {
    // Loaded while the program starts.
    const { ProcessRecorder } = await import('./process-recorder.js');
    this.recorderClass = ProcessRecorder;
    let pauseMs = minPauseMs;
    while (!this.isStopping) {
      if (clockMs() >= this.pausedUntilMs) {
        this.findProcesses();
        const isBusy = await this.drainAll();
        if (clockMs() >= this.nextLivenessMs) {
          // A shell script starts hundreds of processes: what the dead hold of /dev/shm is wanted back.
          const isCrowded = this.recorders.length > crowd;
          this.nextLivenessMs = clockMs() + (isCrowded ? 0 : livenessIntervalMs);
          // The root's end comes with its status: finish() waits for it.
          await this.closeGone(null);
        }
        if (!isBusy) this.lookForIdleCore();
        pauseMs = isBusy ? 0 : Math.min(maxPauseMs, Math.max(minPauseMs, pauseMs * 1.5));
        if (this.isAwaited()) pauseMs = Math.min(pauseMs, attentivePauseMs);
      }
      await this.pause(pauseMs);
    }
  }

  private lookForIdleCore(): void {
    if (clockMs() < this.nextIdleLookMs) return;
    this.nextIdleLookMs = clockMs() + idleLookMs;
    if (this.idle === null) {
      this.idle = new IdleCores();
      return;
    }
    const root = this.recorders.find((each) => each.isRoot && each.isStarted && !each.wasReplaced);
    const wantedCores = this.options.idleCores ?? fewestIdleCores;
    if (this.idle.sinceLastLook() < wantedCores || root === undefined || root.isLarge) return;
    this.nextIdleLookMs = Infinity;
    this.options.onIdle?.(root.modelNow(), () => this.isStopping);
  }

  /** Somebody waits for us and we cannot hear when to look. */
  private isAwaited(): boolean {
    const now = clockMs();
    const asking = this.recorders.filter(({ lastAskedMs }) => lastAskedMs > now - attentiveMs);
    if (asking.length === 0) return false;
    this.watch ??= new FolderWatch(this.folder, () => {
      this.newsUntilMs = clockMs() + newsMs;
      this.wake();
    });
    return (
      !this.watch.isWatching ||
      now < this.newsUntilMs ||
      asking.some(({ awaitsScan }) => awaitsScan)
    );
  }

  /** Ends early when the session is to stop. Even one of 0 lets signals and the child's exit through. */
  private pause(ms: number): Promise<void> {
    return new Promise((resume) => {
      if (ms === 0) {
        setImmediate(resume);
        return;
      }
      const timer = setTimeout(resume, ms);
      this.wake = () => {
        clearTimeout(timer);
        resume();
      };
    });
  }

  /** Whoever waits for the reader now sees that it is gone. */
  private letGo(): void {
    if (this.hasLetGo) return;
    this.hasLetGo = true;
    this.watch?.close();
    removeSessionFolder(this.home);
  }

  private stop(): Promise<void> {
    this.isStopping = true;
    this.wake();
    return this.loop;
  }

  /** Returns whether much came. */
  private async drainAll(): Promise<boolean> {
    let isBusy = false;
    for (const recorder of this.recorders) {
      recorder.isRoot ||= recorder.pid === this.rootPid;
      const { drainedWords, hasMore } = recorder.slice(sliceMs, false);
      if (hasMore || drainedWords > busyWords) isBusy = true;
      await recorder.catchUp();
    }
    return isBusy;
  }

  private findProcesses(): void {
    const Recorder = this.recorderClass;
    if (Recorder === null) return;
    for (const name of readdirSync(this.folder)) {
      if (this.seen.has(name)) continue;
      if (name.startsWith(watcherPrefix)) {
        this.seen.add(name);
        this.options.onWatcher?.(join(this.folder, name));
      }
      if (!/^p\d+\.\d+$/.test(name)) continue;
      this.seen.add(name);
      try {
        const recorder = new Recorder(this.folder, name, this.options);
        recorder.isRoot = recorder.pid === this.rootPid;
        for (const older of this.recorders) {
          if (older.pid === recorder.pid && older.generation < recorder.generation)
            older.wasReplaced = true;
        }
        this.recorders.push(recorder);
      } catch (error) {
        this.warnings.push(
          `a process could not be recorded: ${error instanceof Error ? error.message : String(error)}`,
        );
      }
    }
  }

  private async closeGone(status: RootStatus | null): Promise<void> {
    for (const recorder of [...this.recorders]) {
      recorder.isRoot ||= recorder.pid === this.rootPid;
      if (recorder.isRunning()) continue;
      if (recorder.isRoot && !recorder.wasReplaced && status === null) continue;
      await this.drainToEnd(recorder);
      // Its scanner outlives it; the others are not to wait for that.
      if (recorder.awaitsScan) continue;
      await this.close(recorder, status, false);
    }
  }

  private async detachRest(status: RootStatus): Promise<void> {
    const rest = [...this.recorders];
    for (const recorder of rest) recorder.detach();
    if (rest.length > 0) await sleep(detachMs);
    for (const recorder of rest) await this.close(recorder, status, recorder.isRunning());
  }

  /** In slices: what is left of a long run can be hundreds of megabytes. */
  private async drainToEnd(recorder: ProcessRecorder): Promise<void> {
    while (recorder.slice(sliceMs, true).hasMore) {
      await recorder.catchUp();
      await this.pause(0);
    }
    await recorder.catchUp();
  }

  private async close(
    recorder: ProcessRecorder,
    status: RootStatus | null,
    isStillRunning: boolean,
  ): Promise<void> {
    this.recorders.splice(this.recorders.indexOf(recorder), 1);
    await this.drainToEnd(recorder);
    const isRoot = recorder.isRoot && status?.pid === recorder.pid;
    this.finished.push(await recorder.close(isRoot ? status : null, isStillRunning));
  }
}

/** What processes that could not join left in the session's header. */
function untracedWarnings(folder: string): string[] {
  const header = new DataView(new Uint8Array(readFileSync(join(folder, 'session'))).buffer);
  const count = header.getUint32(SessionHeader.untracedProcesses, true);
  if (count === 0) return [];
  const processes = count === 1 ? '1 process was' : `${count} processes were`;
  const errno = header.getUint32(SessionHeader.untracedErrno, true);
  const name = errno === 0 ? '' : ` (${util.getSystemErrorName(-errno)})`;
  switch (header.getUint32(SessionHeader.untracedReason, true)) {
    case Untraced.noSpace:
      return [
        `${processes} not recorded: no room left in ${folder}${name}. Make /dev/shm larger (docker: --shm-size=256m)`,
      ];
    case Untraced.open:
      return [`${processes} not recorded: they could not write to ${folder}${name}`];
    case Untraced.abi:
      return [`${processes} not recorded: they loaded another version of memprof`];
    default:
      return [`${processes} not recorded${name}`];
  }
}

export function startSession(options: SessionOptions): Session {
  return new Session(options);
}
