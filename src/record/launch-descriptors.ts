// Descriptors beyond 0, 1 and 2 that the user handed to the program: `cmd 3>log`, make's job server,
// npm's IPC. Node marks every descriptor it inherited close-on-exec at start, so they must be named to
// be passed on. Node's own are told apart by kind: epoll, eventfd and io_uring are anonymous inodes, and
// a pipe of its own has both ends here. Ask before opening anything: the session's lock must never reach
// the program, which would then hold it for us after our death.
import { readdirSync, readlinkSync } from 'node:fs';

/** For spawn's stdio: position is the program's descriptor, value ours. */
export type InheritedDescriptors = ('inherit' | number)[];

export function inheritedDescriptors(
  environment: NodeJS.ProcessEnv = process.env,
): InheritedDescriptors {
  const targets = new Map<number, string>();
  for (const name of readdirSync('/proc/self/fd')) {
    const descriptor = Number(name);
    if (descriptor <= 2) continue;
    try {
      targets.set(descriptor, readlinkSync(`/proc/self/fd/${name}`));
    } catch {
      // The descriptor that listed the folder: closed by now.
    }
  }
  const kept = usersDescriptors(targets, environment['MAKEFLAGS']);
  const stdio: InheritedDescriptors = ['inherit', 'inherit', 'inherit'];
  const last = Math.max(2, ...kept);
  // A hole would have to be filled with something the user did not give: what follows one stays behind,
  // unless it is 16 or higher, where Node marks nothing close-on-exec and it is inherited anyway.
  for (let descriptor = 3; descriptor <= last; descriptor++) {
    if (!kept.has(descriptor)) break;
    stdio.push(descriptor);
  }
  return stdio;
}

export function usersDescriptors(
  targets: ReadonlyMap<number, string>,
  makeFlags: string | undefined,
): Set<number> {
  const ends = new Map<string, number>();
  for (const target of targets.values()) ends.set(target, (ends.get(target) ?? 0) + 1);
  const jobServer = /--jobserver-(?:auth|fds)=(\d+),(\d+)/.exec(makeFlags ?? '');
  const named = new Set(jobServer === null ? [] : [Number(jobServer[1]), Number(jobServer[2])]);
  const kept = new Set<number>();
  for (const [descriptor, target] of targets) {
    const isOwn =
      target.startsWith('anon_inode:') || (target.startsWith('pipe:') && ends.get(target) !== 1);
    if (!isOwn || named.has(descriptor)) kept.add(descriptor);
  }
  return kept;
}
