/** A certificate outside its time: a wrong clock is told apart from a certificate that expired, wherever one is met. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { checkCertificateTime } from '../../../agent/connection/certificate-time.ts';
import { enrol } from '../../../agent/connection/enrolment.ts';
import { identityFolder } from '../../../agent/connection/identity.ts';
import { examine } from '../../../agent/health/doctor.ts';
import { connectPinned, fetchCa } from '../../../platform/pinned-tls.ts';
import { encodeJoinToken, parseJoinToken } from '../../../shared/protocol/join-token.ts';
import { runCli } from '../../support/cli.ts';
import { ConnectionHub, facts } from '../../support/connection-hub.ts';
import { startDatedServer } from '../../support/dated-server.ts';
import { tempFolder } from '../../support/temp-folder.ts';

vi.setConfig({ testTimeout: 120_000 });

const day = 86_400_000;
const SECRET = 'mft_never_sent';
/** Days from now: begin and end of the certificate. */
const spans = { expired: [-20, -10], coming: [10, 20] } as const;

/** Span of the certificate, the hub's clock in days from this machine's (undefined: not shown), the code and the text. */
const cases = [
  ['expired', -15, 'clock_skew', /15d.* ahead of the hub's \(.*Set this machine's clock/],
  ['coming', 15, 'clock_skew', /1[45]d.* behind the hub's \(.*Set this machine's clock/],
  ['coming', undefined, 'clock_skew', /this machine's clock shows .*Set this machine's clock/],
  ['expired', 0, 'certificate_not_valid_now', /the same as the hub's .*expired by the hub's clock too/],
  ['expired', undefined, 'certificate_not_valid_now', /The clock is ahead, or the certificate expired/],
] as const;

describe('a certificate outside its time', () => {
  let hub: ConnectionHub;
  let stranger: ConnectionHub;
  beforeAll(async () => {
    [hub, stranger] = await Promise.all([ConnectionHub.start(), ConnectionHub.start()]);
  });
  afterAll(() => Promise.all([hub.stop(), stranger.stop()]));

  const server = async (span: keyof typeof spans, hubDays: number | undefined, of = hub) => {
    const [from, to] = spans[span];
    const times = { notBefore: Date.now() + from * day, notAfter: Date.now() + to * day };
    const { key, cert } = await of.certificateFor('localhost', times);
    const offset = hubDays === undefined ? undefined : hubDays * day;
    return startDatedServer({ key, cert: cert + of.authority.caPem }, offset);
  };
  /** Only the hub's time was asked for, with nothing that proves who asks. */
  const expectNoSecret = (requests: readonly string[]) => {
    expect(requests.every((head) => head.startsWith('HEAD /healthz\n'))).toBe(true);
    expect(requests.join('\n')).not.toMatch(/authorization|mft_/i);
  };

  it.each(cases)('that is %s, with a hub %s days from here, is %s', async (span, hubDays, code, text) => {
    const { url, requests } = await server(span, hubDays);
    const fault = { code, message: expect.stringMatching(text) };
    await expect(fetchCa(url, hub.authority.caSha256)).rejects.toMatchObject(fault);
    const { host, port } = { host: 'localhost', port: Number(new URL(url).port) };
    const identity = { ...(await hub.enrol(`clock-${code}-${span}-${hubDays}`)), hub: url };
    const connecting = connectPinned({ ...identity, host, port, provenNow: Date.now });
    await expect(connecting).rejects.toMatchObject(fault);
    const join = encodeJoinToken({ ...parseJoinToken(await hub.token()), hub: url });
    const folder = await tempFolder();
    await expect(enrol({ token: join, deviceId: 'd', folder, facts })).rejects.toMatchObject(fault);
    const systemToken = encodeJoinToken({ ...parseJoinToken(join), tls: 'system' });
    const given = { token: systemToken, deviceId: 'd', folder, facts, restCas: hub.authority.caPem };
    await expect(enrol(given)).rejects.toMatchObject(fault);
    expectNoSecret(requests);
  });

  it.each(cases.slice(0, 4))('%s, hub %s days from here: login and every call say %s', async (...one) => {
    const [span, hubDays, code] = one;
    const { url, requests } = await server(span, hubDays);
    const folder = await tempFolder();
    const config = join(folder, 'login.json');
    const ca = join(folder, 'ca.pem');
    await writeFile(ca, hub.authority.caPem);
    const trusts = [
      ['--ca-fingerprint', hub.authority.caSha256],
      ['--ca-file', ca],
    ];
    for (const trust of trusts) {
      const login = await runCli(config, ['login', url, '--token', SECRET, ...trust]);
      expect(login).toMatchObject({ code: 1, stderr: expect.stringContaining(`code: ${code}`) });
    }
    const env = { MODELFLEET_HUB: url, MODELFLEET_TOKEN: SECRET, MODELFLEET_CA_FILE: ca };
    const call = await runCli(config, ['devices', 'list', '--json'], { env });
    expect(JSON.parse(call.stderr).error).toMatchObject({ code, fix: expect.stringContaining('clock') });
    expectNoSecret(requests);
  });

  it('of another CA, or for another host, stays untrusted and is sent nothing', async () => {
    const { url, requests } = await server('expired', -15, stranger);
    const folder = await tempFolder();
    const ca = join(folder, 'ca.pem');
    await writeFile(ca, hub.authority.caPem);
    const env = { MODELFLEET_HUB: url, MODELFLEET_TOKEN: SECRET, MODELFLEET_CA_FILE: ca };
    const call = await runCli(join(folder, 'login.json'), ['whoami'], { env });
    expect(call).toMatchObject({ code: 1, stderr: expect.stringContaining('code: ca_mismatch') });
    const elsewhere = await hub.certificateFor('elsewhere.example', { notAfter: Date.now() - 1 });
    const other = await startDatedServer(elsewhere, -15 * day);
    const refused = await runCli(join(folder, 'login.json'), ['whoami', '--hub', other.url], { env });
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('code: ca_mismatch') });
    const identity = await hub.enrol('clock-stranger');
    const port = Number(new URL(url).port);
    const connecting = connectPinned({ ...identity, host: 'localhost', port, provenNow: Date.now });
    await expect(connecting).rejects.toMatchObject({ code: 'ca_mismatch' });
    expect([...requests, ...other.requests]).toEqual([]);
  });

  it('is the device’s: a clock before it or after it is compared with the hub’s', async () => {
    const identity = await hub.enrol('clock-device');
    const at = (now: number) => ({ clock: { now: () => now }, floor: { now: () => now } });
    for (const [year, way] of [
      [2001, 'behind'],
      [2090, 'ahead of'],
    ] as const) {
      await expect(checkCertificateTime(identity, at(Date.UTC(year, 0, 1)))).rejects.toMatchObject({
        code: 'clock_skew',
        message: expect.stringMatching(
          new RegExp(`valid from .* clock shows ${year}-01-01.* ${way} the hub`),
        ),
      });
    }
    const late = await startDatedServer(await hub.certificateFor('localhost'), 3650 * day * 7);
    const moved = { ...identity, hub: late.url };
    await expect(checkCertificateTime(moved, at(Date.UTC(2090, 0, 1)))).rejects.toMatchObject({
      code: 'certificate_not_valid_now',
    });
  });

  it('is not needed for doctor to see that this clock is not the hub’s', async () => {
    const folder = join(await tempFolder(), 'data');
    await hub.enrol('clock-doctor', folder);
    const clock = async () => (await examine(folder)).find(({ name }) => name === 'clock');
    expect(await clock()).toMatchObject({
      verdict: 'ok',
      found: expect.stringContaining('the same as the hub'),
    });
    const { url } = await startDatedServer(await hub.certificateFor('localhost'), -3 * 3_600_000);
    const file = join(identityFolder(folder), 'device.json');
    await writeFile(file, JSON.stringify({ ...JSON.parse(await readFile(file, 'utf8')), hub: url }));
    expect(await clock()).toMatchObject({
      verdict: 'fail',
      found: expect.stringMatching(/3h.* ahead of the hub's/),
      wayOut: expect.stringContaining('NTP'),
    });
  });
});
