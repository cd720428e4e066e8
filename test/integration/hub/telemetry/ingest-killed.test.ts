import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import type { Database } from '../../../../hub/db/database.ts';
import { openTelemetry } from '../../../support/opened-telemetry.ts';
import { publishedVersion, versionsOf } from '../../../support/profiles.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const always = { model: 'air', version: '1.0.0', fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };

describe('telemetry ingest killed with kill -9 (promise P4)', () => {
  it('has kept every report it acknowledged, and merges those sent again once', async () => {
    const file = join(await tempFolder(), 'hub.db');
    let acknowledged = 0;
    for (let life = 0; life < 3; life += 1) {
      // The device sends again from below the last acknowledgement, as after a reconnect.
      acknowledged = Math.max(acknowledged, await killedAfter(file, Math.max(1, acknowledged - 30), 100));
      const { database, service } = await openTelemetry(file, { versions: versionsOf(publishedVersion()) });
      onTestFinished(() => database.destroy());
      const figures = await service.figures(always);
      expect(figures.reports).toBeGreaterThanOrEqual(acknowledged);
      // Numbers are sent without a gap: each was counted exactly once.
      const stored = await highestNumber(database);
      expect(figures.reports).toBe(stored);
      const units = (await service.hours(always)).features().get('f0')!.classes.entries();
      expect(units.reduce((sum, [, { counts }]) => sum + counts[1]!, 0)).toBe(stored);
    }
  }, 120_000);
});

async function highestNumber(database: Database): Promise<number> {
  const row = await database.selectFrom('telemetry_stream').select('number').executeTakeFirstOrThrow();
  return row.number;
}

/** Runs the child until it has acknowledged `count` reports, kills it at once; returns the highest acknowledged. */
async function killedAfter(file: string, from: number, count: number): Promise<number> {
  const script = fileURLToPath(new URL('./ingest-child.ts', import.meta.url));
  const child = spawn(process.execPath, [script, file, String(from)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let highest = 0;
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    highest = Math.max(highest, Number(line));
    seen += 1;
    if (seen === count) child.kill('SIGKILL');
  }
  return highest;
}
