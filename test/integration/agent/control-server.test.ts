import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { dataFolder } from '../../../agent/config/data-folder.ts';
import { askAgent } from '../../../agent/control/control-client.ts';
import { openControlServer } from '../../../agent/control/control-server.ts';
import { tempFolder } from '../../support/temp-folder.ts';

async function opened() {
  const data = await tempFolder();
  const { control } = dataFolder(data);
  await mkdir(dirname(control), { recursive: true });
  const orders: string[] = [];
  const order = (name: string) => async (model?: string) => {
    orders.push(`${name} ${model}`);
    return {};
  };
  const server = await openControlServer(control, {
    status: order('status'),
    rollBack: order('rollback'),
    release: order('release'),
    resetClock: order('clock'),
  });
  onTestFinished(() => server.close());
  return { data, orders };
}

it('an order to the agent goes to the model it names, or to the only one when it names none', async () => {
  const { data, orders } = await opened();
  await askAgent(data, 'POST', '/rollback?model=air');
  await askAgent(data, 'POST', '/release');
  expect(orders).toEqual(['rollback air', 'release undefined']);
});

it.each([
  ['POST', '/rollback?modle=air'],
  ['POST', '/release?model=air&force=1'],
  ['POST', '/rollback?model=air&model=noise'],
  ['POST', '/clock/reset?to=2026'],
  ['GET', '/status?model=air'],
] as const)('an order with a parameter that it does not have is refused: %s %s', async (method, path) => {
  const { data, orders } = await opened();
  await expect(askAgent(data, method, path)).rejects.toMatchObject({ code: 'bad_input' });
  expect(orders).toEqual([]);
});
