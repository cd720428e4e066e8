import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { dataFolder } from '../../../agent/config/data-folder.ts';
import { identityFolder } from '../../../agent/connection/identity.ts';
import { openControlServer } from '../../../agent/control/control-server.ts';
import type { Check } from '../../../agent/health/check.ts';
import { type ConditionCode, conditionCatalogue } from '../../../agent/health/conditions.ts';
import { examine } from '../../../agent/health/doctor.ts';
import { checkTrust } from '../../../agent/health/trust-check.ts';
import { VerifiedFiles } from '../../../agent/trust/verified-files.ts';
import { ConnectionHub, facts, operator } from '../../support/connection-hub.ts';
import { tempFolder } from '../../support/temp-folder.ts';

const day = 86_400_000;

describe('doctor', () => {
  let hub: ConnectionHub;
  beforeAll(async () => {
    hub = await ConnectionHub.start();
  });
  afterAll(() => hub.stop());

  const check = (checks: readonly Check[], name: string) => checks.find((one) => one.name === name);
  const enrolled = async (id: string) => {
    const folder = join(await tempFolder(), 'data');
    await hub.enrol(id, folder);
    return folder;
  };
  /** Answers `status` in place of an agent, as the daemon does. */
  const running = async (
    folder: string,
    { connected = true, conditions = [] as object[], models = [] as object[] },
  ) => {
    const { control } = dataFolder(folder);
    await mkdir(dirname(control), { recursive: true });
    const server = await openControlServer(control, {
      resetClock: async () => ({ nowMs: 0 }),
      status: async () => ({
        running: true,
        connected,
        outbox: { size: 3, dropped: { events: 0, telemetry: 0 } },
        reported: { v: 2, at: '', sequence: 0, facts, freeBytes: 0, models, conditions },
      }),
      rollBack: async () => undefined,
      release: async () => undefined,
    });
    onTestFinished(() => server.close());
  };

  it('finds a device in order that no agent serves yet', async () => {
    const checks = await examine(await enrolled('doc-1'));
    expect(checks.filter(({ verdict }) => verdict === 'fail')).toEqual([]);
    expect(check(checks, 'hub')).toMatchObject({ verdict: 'ok' });
    expect(check(checks, 'agent')).toMatchObject({
      verdict: 'warn',
      wayOut: expect.stringContaining('modelfleet-agent run'),
    });
  });

  it('says of a removed device that the hub refuses it, and how it comes back', async () => {
    const folder = await enrolled('doc-2');
    await hub.devices.remove('doc-2', operator);
    expect(check(await examine(folder), 'hub')).toMatchObject({
      verdict: 'fail',
      found: expect.stringContaining('refuses this device: an operator removed it'),
      wayOut: expect.stringContaining('--force'),
    });
  });

  it('does not take the connection of an agent that has one', async () => {
    const folder = await enrolled('doc-3');
    await hub.devices.remove('doc-3', operator);
    await running(folder, {});
    expect(check(await examine(folder), 'hub')).toMatchObject({
      verdict: 'ok',
      found: expect.stringContaining('the agent is connected'),
    });
  });

  it.each(Object.keys(conditionCatalogue) as ConditionCode[])(
    'names %s of a running agent, with a way out',
    async (code) => {
      const folder = await tempFolder();
      const text = `This is what ${code} says.`;
      const own = ['clock_suspect', 'low_disk', 'foreign_entries', 'certificate_ends', 'not_connected'];
      await hubIdentity(folder);
      await running(folder, { conditions: [{ code, severity: conditionCatalogue[code].severity, text }] });
      const found = check(await examine(folder), code);
      // Those `doctor` looks at itself come under the name of its own check.
      if (own.includes(code)) expect(found).toBeUndefined();
      else expect(found).toMatchObject({ found: text, wayOut: conditionCatalogue[code].wayOut });
    },
  );

  let identity: Map<string, Buffer> | undefined;
  /** One identity for many folders: making a key takes longer than all the rest. */
  const hubIdentity = async (folder: string) => {
    if (!identity) {
      const first = await enrolled('doc-many');
      const names = ['device.json', 'key.pem', 'cert.pem', 'ca.pem'];
      identity = new Map(
        await Promise.all(
          names.map(async (name) => [name, await readFile(join(identityFolder(first), name))] as const),
        ),
      );
    }
    await mkdir(identityFolder(folder), { recursive: true });
    for (const [name, bytes] of identity) await writeFile(join(identityFolder(folder), name), bytes);
  };

  it('says what a folder at rest tells: versions left alone, and a hold', async () => {
    const folder = await tempFolder();
    await hubIdentity(folder);
    const paths = dataFolder(folder);
    await mkdir(paths.updates, { recursive: true });
    const record = {
      v: 2,
      model: 'air',
      stream: 'a'.repeat(16),
      quarantined: [
        {
          manifest: 'b'.repeat(64),
          version: '2.0.0',
          until: Date.now() + day,
          reason: 'golden_mismatch: no',
        },
      ],
      answered: [],
    };
    await writeFile(join(paths.updates, 'air.json'), JSON.stringify(record));
    await writeFile(paths.hold, '');
    const checks = await examine(folder);
    expect(check(checks, 'version_quarantined')?.found).toMatch(/air 2\.0\.0 until .*golden_mismatch/);
    expect(check(checks, 'updates_held')?.found).toContain(paths.hold);
  });

  it('says what an update is at', async () => {
    const folder = await tempFolder();
    await hubIdentity(folder);
    const update = { version: '2.0.0', state: 'trial', since: '2026-01-01T00:00:00.000Z' };
    await running(folder, { models: [{ model: 'air', previous: [], quarantined: [], update }] });
    expect(check(await examine(folder), 'agent')?.found).toContain(
      'connected to the hub, 3 messages to send; air 2.0.0 has been trial since 2026-01-01',
    );
  });

  it('says of a hub whose certificate expired that this clock and the hub’s agree', async () => {
    const folder = await enrolled('doc-clock');
    const broker = await hub.startBrokerNamed('localhost', {
      notBefore: Date.now() - 20 * day,
      notAfter: Date.now() - 10 * day,
    });
    onTestFinished(() => broker.close());
    const file = join(identityFolder(folder), 'device.json');
    const device = JSON.parse(await readFile(file, 'utf8'));
    await writeFile(file, JSON.stringify({ ...device, mqtt: { host: 'localhost', port: broker.port } }));
    expect(check(await examine(folder), 'hub')).toMatchObject({
      verdict: 'fail',
      found: expect.stringMatching(
        /this machine's clock shows .*, the same as the hub's .* certificate expired/,
      ),
    });
  });

  it('names the hub that does not answer', async () => {
    const folder = await enrolled('doc-far');
    const file = join(identityFolder(folder), 'device.json');
    const device = JSON.parse(await readFile(file, 'utf8'));
    await writeFile(file, JSON.stringify({ ...device, mqtt: { host: 'localhost', port: 1 } }));
    expect(check(await examine(folder), 'hub')).toMatchObject({
      verdict: 'fail',
      found: expect.stringContaining('mqtts://localhost:1'),
      wayOut: expect.stringContaining('Check that the hub is running'),
    });
  });
});

describe('checkTrust()', () => {
  const nowMs = Date.UTC(2026, 0, 1);
  const file = (days: number) =>
    JSON.stringify({ signed: { expires: new Date(nowMs + days * day).toISOString() }, signatures: [] });
  const look = async (ends: Record<string, number>) => {
    const folder = await tempFolder();
    const files = Object.fromEntries(Object.entries(ends).map(([role, days]) => [role, file(days)]));
    const { trust } = dataFolder(folder);
    await mkdir(trust, { recursive: true });
    await new VerifiedFiles(trust).save({ v: 1, root: file(400), ...files });
    return checkTrust(folder, nowMs);
  };
  const good = { root: 400, targets: 400, publisher: 400, snapshot: 7, timestamp: 1 };

  it('is content with metadata that is good, and says until when', async () => {
    expect(await look(good)).toMatchObject({
      verdict: 'ok',
      found: expect.stringContaining('2026-01-02T00:00:00.000Z'),
    });
  });

  it.each(['root', 'targets', 'publisher'])(
    'says of an expired %s that a person has to renew it, not the next connection',
    async (role) => {
      const found = await look({ ...good, [role]: -1 });
      expect(found).toMatchObject({
        verdict: 'fail',
        found: expect.stringContaining(`${role} (2025-12-31T00:00:00.000Z)`),
      });
      expect(found.wayOut).not.toContain('the hub is running');
    },
  );

  it('says that the hub renews what the hub signs', async () => {
    const found = await look({ ...good, timestamp: -1 });
    expect(found).toMatchObject({ verdict: 'warn', wayOut: expect.stringContaining('the hub is running') });
  });

  it('warns before a person has to act', async () => {
    expect(await look({ ...good, root: 20 })).toMatchObject({
      verdict: 'warn',
      found: expect.stringContaining('expires soon: root'),
    });
  });

  it('sends a device without its pinned root to enrol', async () => {
    const folder = await tempFolder();
    await rm(dataFolder(folder).trust, { recursive: true, force: true });
    expect(await checkTrust(folder, nowMs)).toMatchObject({
      verdict: 'fail',
      wayOut: expect.stringContaining('Enrol the device again'),
    });
  });
});
