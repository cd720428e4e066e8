/**
 * Memory that a new process may still take: what the machine can free, and where this process lives in a container with
 * a limit, what that leaves. Read from the kernel's files; elsewhere than on Linux what the system calls free.
 */
import { readFile } from 'node:fs/promises';
import { freemem } from 'node:os';
import { join } from 'node:path';

/** A limit this high is none. */
const UNLIMITED_BYTES = 2 ** 60;

/** Bytes. `root` is where `/proc` and `/sys` lie; another one only in tests. */
export async function freeMemoryBytes(root = '/'): Promise<number> {
  const meminfo = await text(join(root, 'proc/meminfo'));
  const available = Number(/^MemAvailable:\s*(\d+) kB$/m.exec(meminfo)?.[1] ?? Number.NaN) * 1024;
  const left = await Promise.all((await groupFolders(root)).map(leftInGroup));
  return Math.max(0, Math.min(Number.isNaN(available) ? freemem() : available, ...left));
}

interface GroupFiles {
  readonly folder: string;
  readonly limit: string;
  readonly used: string;
}

/** Folders of the memory groups this process is in, from its own up to the root: each of them may limit it. */
async function groupFolders(root: string): Promise<readonly GroupFiles[]> {
  const groups: GroupFiles[] = [];
  for (const line of (await text(join(root, 'proc/self/cgroup'))).split('\n')) {
    const [, controllers, path] = /^\d+:([^:]*):(\/.*)$/.exec(line) ?? [];
    if (path === undefined) continue;
    const isFirstVersion = controllers!.split(',').includes('memory');
    if (!isFirstVersion && controllers !== '') continue;
    const base = join(root, isFirstVersion ? 'sys/fs/cgroup/memory' : 'sys/fs/cgroup');
    const files = isFirstVersion
      ? { limit: 'memory.limit_in_bytes', used: 'memory.usage_in_bytes' }
      : { limit: 'memory.max', used: 'memory.current' };
    const parts = path.split('/').filter((part) => part !== '');
    for (let depth = parts.length; depth >= 0; depth -= 1) {
      groups.push({ folder: join(base, ...parts.slice(0, depth)), ...files });
    }
  }
  return groups;
}

async function leftInGroup({ folder, limit, used }: GroupFiles): Promise<number> {
  const limitBytes = Number.parseInt(await text(join(folder, limit)), 10);
  const usedBytes = Number.parseInt(await text(join(folder, used)), 10);
  if (Number.isNaN(limitBytes) || Number.isNaN(usedBytes) || limitBytes > UNLIMITED_BYTES) {
    return Number.POSITIVE_INFINITY;
  }
  // Pages of files that nothing used lately count as used, and are given up first.
  const stat = await text(join(folder, 'memory.stat'));
  const reclaimable = Number(/^(?:total_)?inactive_file (\d+)$/m.exec(stat)?.[1] ?? 0);
  return limitBytes - Math.max(0, usedBytes - reclaimable);
}

function text(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}
