/** What systemd receives, by its own `systemd-notify`, at a socket like the one it gives to services. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pino } from 'pino';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { LastingParts, openServiceManager } from '../../../platform/service-manager.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const isThere = (tool: string, args: readonly string[]) => {
  try {
    execFileSync(tool, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};
const canReceive =
  isThere('systemd-notify', ['--version']) && isThere('perl', ['-MSocket', '-MIO::Socket::UNIX', '-e', '1']);

/** Prints each datagram as a line. Node has no such sockets. */
const RECEIVER = `
  use Socket; use IO::Socket::UNIX; $| = 1;
  my $s = IO::Socket::UNIX->new(Type => SOCK_DGRAM, Local => $ARGV[0]) or die;
  print "listening\\n";
  while (defined $s->recv(my $m, 4096)) { $m =~ s/\\n/ /g; print "$m\\n" if length $m }
`;

async function receive() {
  const socket = join(await tempFolder(), 'notify');
  const perl = spawn('perl', ['-e', RECEIVER, socket], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void perl.kill());
  const messages: string[] = [];
  const lines = createInterface({ input: perl.stdout });
  await once(lines, 'line');
  lines.on('line', (line) => messages.push(line.trim()));
  return { messages, env: { ...process.env, NOTIFY_SOCKET: socket } };
}

const count = (messages: readonly string[], wanted: string) =>
  messages.filter((one) => one.startsWith(wanted)).length;

describe.skipIf(!canReceive)('openServiceManager() (with systemd-notify and perl)', () => {
  const logger = pino({ level: 'silent' });

  it('reports that the service is ready, alive again and again, and stopping', async () => {
    const { messages, env } = await receive();
    const manager = openServiceManager({
      env: { ...env, WATCHDOG_USEC: '300000', WATCHDOG_PID: String(process.pid) },
      isAlive: () => true,
      logger,
    });
    manager.ready();
    await vi.waitFor(() => expect(count(messages, 'WATCHDOG=1')).toBeGreaterThan(1));
    expect(count(messages, 'READY=1')).toBe(1);
    manager.stopping();
    await vi.waitFor(() => expect(count(messages, 'STOPPING=1')).toBe(1));
  });

  it('leaves the watchdog without an answer once a lasting part has ended', async () => {
    const { messages, env } = await receive();
    const lasting = new LastingParts();
    const part = Promise.withResolvers<void>();
    lasting.watch([part.promise, new Promise(() => undefined)]);
    let asked = 0;
    const isAlive = () => {
      asked += 1;
      return lasting.areAlive;
    };
    const manager = openServiceManager({ env: { ...env, WATCHDOG_USEC: '150000' }, isAlive, logger });
    onTestFinished(() => manager.stopping());
    manager.ready();
    await vi.waitFor(() => expect(count(messages, 'WATCHDOG=1')).toBeGreaterThan(0));
    part.reject(new Error('ended'));
    await part.promise.catch(() => undefined);
    const askedThen = asked;
    await vi.waitFor(() => expect(asked).toBeGreaterThan(askedThen + 3));
    manager.stopping();
    await vi.waitFor(() => expect(count(messages, 'STOPPING=1')).toBe(1));
    // Messages come in order: those before the end, and none of the last rounds.
    expect(count(messages, 'WATCHDOG=1')).toBeLessThanOrEqual(askedThen);
  });

  it('sends no life signs where another process is watched', async () => {
    const { messages, env } = await receive();
    let asked = 0;
    const manager = openServiceManager({
      env: { ...env, WATCHDOG_USEC: '3000', WATCHDOG_PID: '1' },
      isAlive: () => ++asked > 0,
      logger,
    });
    manager.ready();
    await vi.waitFor(() => expect(count(messages, 'READY=1')).toBe(1));
    manager.stopping();
    await vi.waitFor(() => expect(count(messages, 'STOPPING=1')).toBe(1));
    expect(asked).toBe(0);
  });
});
