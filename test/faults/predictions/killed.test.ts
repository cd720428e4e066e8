import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, it } from 'vitest';
import { findForeignEntries } from '../../../agent/health/foreign-entries.ts';
import { PredictionStore } from '../../../agent/telemetry/prediction-store.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { storeProps } from '../../support/prediction-stores.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const child = join(import.meta.dirname, '../../support/prediction-child.ts');
const bytesMax = 64 * 1024 * 1024;

/** Runs the child until it has flushed `flushes` times, then kills it while it goes on. Resolves with how many are safe. */
async function killedAfter(folder: string, from: number, flushes: number): Promise<number> {
  const running = spawn(process.execPath, [child, folder, String(from)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = once(running, 'exit');
  let safe = from;
  let seen = 0;
  for await (const line of createInterface({ input: running.stdout })) {
    safe = Number(line);
    seen += 1;
    if (seen === flushes) running.kill('SIGKILL');
  }
  await ended;
  return safe;
}

it('killed in the middle of writing, again and again, it has every answer and label that it had flushed', async () => {
  const root = await tempFolder();
  const folder = join(root, 'predictions');
  let safe = 0;
  for (const flushes of [1, 3, 8, 15]) {
    const before = safe;
    safe = await killedAfter(folder, before, flushes);
    expect(safe).toBeGreaterThanOrEqual(before + flushes * 500);
    const store = await PredictionStore.open({
      ...storeProps(folder, new ManualClock(Date.now())),
      bytesMax,
    });
    for (let n = 0; n < safe; n += 1) {
      const found = await store.find('m', `id-${n}`);
      expect(found?.rows, `id-${n}`).toEqual([n, 'x'.repeat(n % 300)]);
      expect(store.isLabelled(found!), `id-${n}`).toBe(n % 10 === 0);
    }
    await store.close();
    expect(store.fault).toBeUndefined();
  }
  expect(await findForeignEntries(root)).toEqual([]);
});
