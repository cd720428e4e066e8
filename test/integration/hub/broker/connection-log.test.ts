import { expect, it, onTestFinished } from 'vitest';
import { BrokerWorld } from '../../../support/broker-world.ts';
import { loggedLines } from '../../../support/logged.ts';

it('logs that a device connected and disconnected, with its address, and not each time of one that does so again and again', async () => {
  const world = await BrokerWorld.make();
  const { logger, lines } = loggedLines();
  const broker = await world.startBroker({ logger });
  onTestFinished(async () => {
    world.endClients();
    await broker.close();
    await world.remove();
  });
  const of = (message: string) => lines.filter(({ msg }) => msg === message);
  for (let n = 0; n < 3; n += 1) {
    const client = await world.connect(broker, 'dev');
    await expect.poll(() => broker.connectedCount()).toBe(1);
    await client.endAsync();
    await expect.poll(() => broker.connectedCount()).toBe(0);
  }
  expect(of('device connected')).toMatchObject([{ level: 30, device: 'dev', address: '127.0.0.1' }]);
  expect(of('device disconnected')).toMatchObject([
    { level: 30, device: 'dev', address: '127.0.0.1', connectedMs: expect.any(Number) },
  ]);
});
