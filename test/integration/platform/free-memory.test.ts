/** Free memory as the kernel's files tell it, laid out as on machines with and without limits. */
import { mkdir, writeFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { freeMemoryBytes } from '../../../platform/free-memory.ts';
import { tempFolder } from '../../support/temp-folder.ts';

async function machine(files: Readonly<Record<string, string>>): Promise<string> {
  const root = await tempFolder();
  const all = { 'proc/meminfo': 'MemTotal: 4000 kB\nMemAvailable:    1000 kB\n', ...files };
  for (const [path, text] of Object.entries(all)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
}

describe('freeMemoryBytes()', () => {
  it('is what the machine can free, without a limit', async () => {
    const unlimited = {
      'proc/self/cgroup': '0::/service\n',
      'sys/fs/cgroup/service/memory.max': 'max\n',
      'sys/fs/cgroup/service/memory.current': '5\n',
    };
    expect(await freeMemoryBytes(await machine({}))).toBe(1_024_000);
    expect(await freeMemoryBytes(await machine(unlimited))).toBe(1_024_000);
  });

  it('is what the service’s or its slice’s limit leaves, pages that can be given up not counted', async () => {
    const files = {
      'proc/self/cgroup': '0::/slice/service\n',
      'sys/fs/cgroup/slice/memory.max': '500000\n',
      'sys/fs/cgroup/slice/memory.current': '400000\n',
      'sys/fs/cgroup/slice/memory.stat': 'anon 1\ninactive_file 50000\n',
    };
    expect(await freeMemoryBytes(await machine(files))).toBe(150_000);
  });

  it('reads the first version of control groups too', async () => {
    const files = {
      'proc/self/cgroup': '5:devices:/\n4:memory:/pod\n0::/\n',
      'sys/fs/cgroup/memory/pod/memory.limit_in_bytes': '300000\n',
      'sys/fs/cgroup/memory/pod/memory.usage_in_bytes': '350000\n',
      'sys/fs/cgroup/memory/pod/memory.stat': 'total_inactive_file 100000\n',
      'sys/fs/cgroup/memory/memory.limit_in_bytes': '9223372036854771712\n',
      'sys/fs/cgroup/memory/memory.usage_in_bytes': '1\n',
    };
    expect(await freeMemoryBytes(await machine(files))).toBe(50_000);
  });

  it('is a figure of this machine, also where there are no such files', async () => {
    for (const root of ['/', await tempFolder()]) {
      const free = await freeMemoryBytes(root);
      expect(free).toBeGreaterThan(0);
      expect(free).toBeLessThanOrEqual(totalmem());
    }
  });
});
