import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { AedesBroker } from '../../../../hub/broker/aedes-broker.ts';
import { topics } from '../../../../shared/protocol/topics.ts';
import { BrokerWorld } from '../../../support/broker-world.ts';

const DEVICES = 30;
const STRANGERS = 30_000;

describe('a device that comes back', () => {
  let world: BrokerWorld;
  let broker: AedesBroker;
  beforeAll(async () => {
    world = await BrokerWorld.make();
    broker = await world.startBroker();
  });
  afterAll(async () => {
    world.endClients();
    await broker.close();
    await world.remove();
  });

  /** Processor time of some devices' subscriptions, until each device has its desired state. */
  const costMs = async (): Promise<number> => {
    const clients = await Promise.all(
      Array.from({ length: DEVICES }, (_, n) => world.connect(broker, `dev-${n}`)),
    );
    const before = process.cpuUsage();
    for (const [n, client] of clients.entries()) {
      const got = new Promise<string>((resolve) => client.once('message', resolve));
      await client.subscribeAsync([...topics.deviceFilters(`dev-${n}`)], { qos: 1 });
      expect(await got).toBe(topics.device(`dev-${n}`, 'desired'));
    }
    const { user, system } = process.cpuUsage(before);
    world.endClients();
    return (user + system) / 1_000;
  };

  /** What else runs on the machine only adds to it. */
  const leastCostMs = async () => Math.min(await costMs(), await costMs(), await costMs());

  it('costs no more when the hub holds desired states of thirty thousand others', async () => {
    const retain = (id: string) => broker.retain(topics.device(id, 'desired'), Buffer.from('x'));
    for (let n = 0; n < DEVICES; n += 1) await retain(`dev-${n}`);
    await costMs();
    const alone = await leastCostMs();
    for (let n = 0; n < STRANGERS; n += 1) await retain(`other-${n}`);
    // Looked for one by one, they make it thirty times as much.
    expect(await leastCostMs()).toBeLessThan(8 * alone);
  });
});
