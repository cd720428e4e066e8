/** A version whose input has another name, a device that is asked all the while, and what publisher, operator and clients see. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { until } from '../../demo/fleet.ts';
import { model, SmallFleet } from '../support/small-fleet.ts';

const TEST_MS = 120_000;
const device = 'line-1';

describe('a version that breaks the clients of the one before', { timeout: TEST_MS }, () => {
  let small: SmallFleet;
  let folder: string;
  beforeAll(async () => {
    small = await SmallFleet.start([device]);
    expect(await small.ended(await small.rollOut(await small.publishNext()))).toMatchObject({
      status: 'completed',
    });
    ({ folder } = await small.writeNextVersion({ inputName: 'features' }));
  }, TEST_MS);
  afterAll(() => small?.stop());

  const change = 'input "x" is gone; input "features" is new';

  it('is not published by oversight', async () => {
    const refused = await small.tryPublish(folder);
    expect(refused.code).toBe(1);
    expect(JSON.parse(refused.stderr.trim().split('\n').at(-1)!)).toMatchObject({
      error: { code: 'interface_breaking', message: expect.stringContaining(change) },
    });
    expect(await small.tryPublish(folder, '--breaking')).toMatchObject({ code: 0 });
  });

  it('is not rolled out by oversight', async () => {
    await expect(small.rollOut('2.0.0')).rejects.toThrow('interface_breaking');
  });

  it('leaves its clients the version before while it is on trial, and counts them once it is committed', async () => {
    const id = await small.rollOut('2.0.0', { breaking: true, trialSeconds: 3 });
    await small.reaches(device, '2.0.0', 'trial');
    expect(await small.infer(device)).toEqual({ version: '1.0.0', y: 4 });
    expect(await small.ended(id)).toMatchObject({ status: 'completed' });
    await until('the standby has ended', async () =>
      small.infer(device).then(
        () => undefined,
        (error: Error) => (error.message.includes('tensor_invalid') ? true : undefined),
      ),
    );
    const path = `/telemetry?model=${model}&version=2.0.0&since=1h`;
    await until('the hub knows of the clients that broke', async () => {
      const { body } = await small.fleet.rest('GET', path);
      const [figures] = (body as { versions: { requests: { refused: { fitBefore: number } } }[] }).versions;
      return (figures?.requests.refused.fitBefore ?? 0) >= 2 ? true : undefined;
    });
  });
});
