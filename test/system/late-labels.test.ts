/**
 * Labels that come late: after the device was killed and started again, out of order, when another version answers. Promised:
 * each counts once, for the version that answered, and the hub shows it.
 */
import { appendFile, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dataFolder } from '../../agent/config/data-folder.ts';
import { until } from '../../demo/fleet.ts';
import type { ModelTelemetry, VersionFigures } from '../../shared/api/telemetry.ts';
import { model, SmallFleet } from '../support/small-fleet.ts';

const TEST_MS = 120_000;
const device = 'line-1';
const ids = ['answer-1', 'answer-2', 'answer-3', 'answer-4', 'answer-5'];

describe('labels that come late', { timeout: TEST_MS }, () => {
  let small: SmallFleet;

  beforeAll(async () => {
    small = await SmallFleet.start([device]);
  }, TEST_MS);
  afterAll(() => small?.stop());

  async function rollOutLabelled(): Promise<string> {
    const { folder, version } = await small.writeNextVersion();
    await appendFile(join(folder, 'model.yaml'), 'label: { output: y, kind: regression }\n');
    await small.publish(folder);
    await small.ended(await small.rollOut(version));
    await small.settled(version);
    return version;
  }

  async function post(path: string, body: object): Promise<{ status: number; code?: string }> {
    const response = await fetch(`${small.fleet.agentUrl(device)}/v2/models/${model}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    const { code } = (await response.json()) as { code?: string };
    return { status: response.status, ...(code && { code }) };
  }

  const label = (id: string, value: number) => post('/feedback', { id, label: value });

  async function storedText(): Promise<string> {
    const { predictions } = dataFolder(small.fleet.agentData(device));
    // The folder is made with the first answer that is written, a moment after it is given.
    const names = await readdir(predictions).catch(() => []);
    return (await Promise.all(names.map((name) => readFile(join(predictions, name), 'latin1')))).join('');
  }

  async function shown(version: string): Promise<VersionFigures | undefined> {
    const answer = await small.fleet.cli('telemetry', 'show', '--model', model, '--version', version);
    return (answer as ModelTelemetry).versions[0];
  }

  it('count once each for the version that answered, after a kill and an update', async () => {
    const before = await rollOutLabelled();
    for (const id of ids) {
      const inputs = [{ name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }];
      expect(await post('/infer', { id, inputs })).toEqual({ status: 200 });
    }
    await until('the answers are on the disk', async () =>
      (await storedText()).includes(ids.at(-1)!) ? true : undefined,
    );
    // Every answer it gave: those, and one by which the fleet was seen to be settled.
    const answered = ids.length + 1;
    await expect.poll(() => small.counted(before), { timeout: 20_000 }).toBe(answered);
    await small.restartAgent(device);
    await small.allConnected();
    const after = await rollOutLabelled();

    // It answered 1 + 2 + 1, and was to answer 4.5, 4, 3.5, 4 and 4.
    expect(await label('answer-5', 4.5)).toEqual({ status: 200 });
    expect(await label('answer-1', 4)).toEqual({ status: 200 });
    expect(await label('answer-3', 3.5)).toEqual({ status: 200 });
    expect(await label('answer-5', 4)).toEqual({ status: 409, code: 'label_known' });
    expect(await label('never-given', 4)).toEqual({ status: 404, code: 'prediction_unknown' });
    await small.windowsClosed();
    await small.restartAgent(device);
    await small.allConnected();
    expect(await label('answer-1', 4)).toEqual({ status: 409, code: 'label_known' });
    expect(await label('answer-2', 4)).toEqual({ status: 200 });
    expect(await label('answer-4', 4)).toEqual({ status: 200 });

    await expect.poll(async () => (await shown(before))?.labels?.n, { timeout: 20_000 }).toBe(ids.length);
    await small.windowsClosed();
    expect(await shown(before)).toMatchObject({
      requests: { ok: answered },
      labels: { kind: 'regression', n: 5, answers: 5, mae: 0.2, bias: 0, rmse: Math.sqrt(0.1) },
      labelledShare: 5 / answered,
    });
    expect((await shown(after))?.labels).toBeUndefined();
  });
});
