import { once } from 'node:events';
import { connect, type TLSSocket } from 'node:tls';
import { expect, it, onTestFinished, vi } from 'vitest';
import { RunningHub } from '../../../support/running-hub.ts';
import { SetClock } from '../../../support/set-clock.ts';

vi.setConfig({ testTimeout: 60_000 });
const DAY_MS = 86_400_000;

async function startHub(aheadMs: number) {
  const clock = new SetClock();
  clock.aheadMs = aheadMs;
  const hub = await RunningHub.start({ clock });
  onTestFinished(() => hub.stop());
  return { clock, hub, ports: () => [Number(new URL(hub.url).port), hub.mqtt.port] };
}

/** A connection that has checked the hub's certificate by the time of this machine. */
async function connection(port: number, ca: string): Promise<TLSSocket> {
  const socket = connect({ host: 'localhost', port, ca });
  onTestFinished(() => void socket.destroy());
  await once(socket, 'secureConnect');
  // The broker ends a connection that brings no certificate, after it has shown its own.
  socket.on('error', () => undefined);
  return socket;
}

async function daysLeft(port: number, ca: string): Promise<number> {
  const { valid_to } = (await connection(port, ca)).getPeerCertificate();
  return (Date.parse(valid_to) - Date.now()) / DAY_MS;
}

it('a hub that is never stopped makes its server certificate anew in time, on both ports, and cuts nobody off', async () => {
  const { clock, hub, ports } = await startHub(-700 * DAY_MS);
  const open = await connection(ports()[0]!, hub.ca);
  for (const port of ports()) expect(await daysLeft(port, hub.ca)).toBeLessThan(31);
  clock.aheadMs = 0;
  for (const port of ports()) {
    await expect.poll(() => daysLeft(port, hub.ca), { timeout: 30_000 }).toBeGreaterThan(700);
  }
  expect(open.closed).toBe(false);
  open.destroy();
  // The new one is on the disk.
  await hub.restart();
  for (const port of ports()) expect(await daysLeft(port, hub.ca)).toBeGreaterThan(700);
});

it('a hub whose clock was far ahead is believed again when it is right, without a restart', async () => {
  const { clock, hub, ports } = await startHub(0);
  // Two years ahead a start makes the server certificate anew.
  clock.aheadMs = 700 * DAY_MS;
  await hub.restart();
  for (const port of ports()) await expect(connection(port, hub.ca)).rejects.toThrow('not yet valid');
  clock.aheadMs = 0;
  for (const port of ports()) {
    const isBelieved = () =>
      connection(port, hub.ca).then(
        () => true,
        () => false,
      );
    await expect.poll(isBelieved, { timeout: 30_000 }).toBe(true);
  }
});
