import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { HubLink } from '../../../../agent/connection/hub-link.ts';
import { Outbox } from '../../../../agent/connection/outbox.ts';
import { makeLogger } from '../../../../platform/logger.ts';
import { systemClock } from '../../../../platform/system-clock.ts';
import { AppError } from '../../../../shared/base/app-error.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const logger = makeLogger('test', 'silent');
const clock = { ...systemClock, sleep: (_ms: number, signal?: AbortSignal) => systemClock.sleep(5, signal) };
const bytes = (text: string) => Buffer.from(text);

/** A link that records what comes, and takes it or not as the test says. */
class FakeLink implements HubLink {
  isConnected = true;
  readonly bytesReceived = 0;
  readonly taken: string[] = [];
  readonly tried: string[] = [];
  /** Called for each message; throws to refuse it. */
  take: (text: string) => void | Promise<void> = () => undefined;

  async publish(leaf: string, payload: Uint8Array): Promise<void> {
    const text = `${leaf} ${Buffer.from(payload)}`;
    this.tried.push(text);
    await this.take(text);
    this.taken.push(text);
  }
}

describe('the outbox', () => {
  it('sends what it keeps in order, and forgets what was acknowledged', async () => {
    const folder = await tempFolder();
    const outbox = await Outbox.open({ folder, clock, logger });
    for (let n = 0; n < 40; n += 1) await outbox.enqueue(n % 3 ? 'events' : 'telemetry', bytes(String(n)));
    expect(await readdir(folder)).toHaveLength(40);
    const link = new FakeLink();
    outbox.sendOver(link);
    await expect.poll(() => outbox.size).toBe(0);
    expect(link.taken.map((one) => Number(one.split(' ')[1]))).toEqual(
      Array.from({ length: 40 }, (_, n) => n),
    );
    await expect.poll(() => readdir(folder)).toEqual([]);
    await outbox.enqueue('events', bytes('later'));
    await expect.poll(() => link.taken.at(-1)).toBe('events later');
  });

  it('keeps what was not acknowledged, through a restart and in order', async () => {
    const folder = await tempFolder();
    const first = await Outbox.open({ folder, clock, logger });
    for (const text of ['1', '2', '3']) await first.enqueue('events', bytes(text));
    const link = new FakeLink();
    link.take = (text) => {
      if (text === 'events 1') return;
      link.isConnected = false;
      throw new AppError('link_lost', 'gone');
    };
    first.sendOver(link);
    await expect.poll(() => first.size).toBe(2);
    // No close: the process ends here.
    const second = await Outbox.open({ folder, clock, logger });
    expect(second.size).toBe(2);
    await second.enqueue('events', bytes('4'));
    const next = new FakeLink();
    second.sendOver(next);
    await expect.poll(() => next.taken).toEqual(['events 2', 'events 3', 'events 4']);
  });

  it('sends again while the link stays up', async () => {
    const folder = await tempFolder();
    const outbox = await Outbox.open({ folder, clock, logger });
    const link = new FakeLink();
    let fails = 3;
    link.take = () => {
      fails -= 1;
      if (fails >= 0) throw new AppError('link_lost', 'busy');
    };
    await outbox.enqueue('events', bytes('1'));
    outbox.sendOver(link);
    await expect.poll(() => link.taken).toEqual(['events 1']);
    expect(link.tried).toHaveLength(4);
  });

  it('drops a torn or changed file, and sends the others', async () => {
    const folder = await tempFolder();
    const first = await Outbox.open({ folder, clock, logger });
    for (const text of ['whole', 'torn', 'changed', 'empty']) await first.enqueue('events', bytes(text));
    const names = (await readdir(folder)).sort();
    await truncate(join(folder, names[1]!), 6);
    const content = await readFile(join(folder, names[2]!));
    content[6]! ^= 1;
    await writeFile(join(folder, names[2]!), content);
    await truncate(join(folder, names[3]!), 0);
    await writeFile(join(folder, '0000000000000009.events.abc.tmp'), 'half');
    await writeFile(join(folder, 'README'), 'not ours');
    const second = await Outbox.open({ folder, clock, logger });
    const link = new FakeLink();
    second.sendOver(link);
    await expect.poll(() => second.size).toBe(0);
    expect(link.taken).toEqual(['events whole']);
    expect(second.dropped).toEqual({ events: 3, telemetry: 0 });
    await expect.poll(() => readdir(folder)).toEqual(['README']);
  });

  it('drops the oldest telemetry first when it is full, and counts it; events go last', async () => {
    const folder = await tempFolder();
    const outbox = await Outbox.open({ folder, clock, logger, bytesMax: 5 * (100 + 4) });
    const add = (leaf: 'events' | 'telemetry', text: string) => outbox.enqueue(leaf, bytes(text.padEnd(100)));
    await add('events', 'e1');
    await add('telemetry', 't1');
    await add('telemetry', 't2');
    await add('events', 'e2');
    await add('telemetry', 't3');
    await add('telemetry', 't4');
    expect(outbox.dropped).toEqual({ events: 0, telemetry: 1 });
    for (const text of ['e3', 'e4', 'e5']) await add('events', text);
    expect(outbox.dropped).toEqual({ events: 0, telemetry: 4 });
    await add('events', 'e6');
    expect(outbox.dropped).toEqual({ events: 1, telemetry: 4 });
    const link = new FakeLink();
    outbox.sendOver(link);
    await expect
      .poll(() => link.taken.map((one) => one.trim()))
      .toEqual(['events e2', 'events e3', 'events e4', 'events e5', 'events e6']);
  });

  it('bounds the number of messages as well', async () => {
    const outbox = await Outbox.open({ folder: await tempFolder(), clock, logger, messagesMax: 3 });
    for (let n = 0; n < 10; n += 1) await outbox.enqueue('telemetry', bytes(String(n)));
    expect(outbox.size).toBe(3);
    expect(outbox.dropped.telemetry).toBe(7);
  });
});
