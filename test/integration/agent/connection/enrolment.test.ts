import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createServer } from 'node:tls';
import { Agent, request } from 'undici';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { checkCertificateTime } from '../../../../agent/connection/certificate-time.ts';
import { makeKeyAndCsr } from '../../../../agent/connection/csr.ts';
import { clockNote } from '../../../../agent/connection/enrol-command.ts';
import { enrol } from '../../../../agent/connection/enrolment.ts';
import { loadIdentity } from '../../../../agent/connection/identity.ts';
import { Authority } from '../../../../hub/pki/authority.ts';
import { lockFolder } from '../../../../platform/folder-lock.ts';
import { certificateFingerprint } from '../../../../platform/pinned-tls.ts';
import { systemClock } from '../../../../platform/system-clock.ts';
import { limits } from '../../../../shared/base/limits.ts';
import { encodeJoinToken, parseJoinToken } from '../../../../shared/protocol/join-token.ts';
import { ConnectionHub, facts, operator } from '../../../support/connection-hub.ts';
import { throttledLine } from '../../../support/throttled-line.ts';

describe('enrolment', () => {
  let hub: ConnectionHub;
  let folder: string;
  beforeAll(async () => {
    hub = await ConnectionHub.start();
  });
  afterAll(() => hub.stop());
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'modelfleet-agent-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** The hub's answer to an enrolment request that no agent of ours would send. */
  const post = async (body: unknown): Promise<unknown> => {
    const dispatcher = new Agent({ connect: { ca: hub.authority.caPem } });
    try {
      const answer = await request(`${hub.url}/api/v1/enrol`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
        dispatcher,
      });
      return await answer.body.json();
    } finally {
      await dispatcher.close();
    }
  };

  it('leaves an identity of the hub CA, the pinned root, and private files', async () => {
    const token = await hub.token({ group: 'north' });
    const enrolled = await enrol({ token, deviceId: 'gas-1', folder, facts });
    expect(enrolled).toMatchObject({ device: 'gas-1', group: 'north', hub: hub.url });
    const identity = await loadIdentity(folder);
    expect(identity.caPem).toBe(hub.authority.caPem);
    await checkCertificateTime(identity, { clock: systemClock, floor: systemClock });
    expect(await readFile(join(folder, 'trust/root.json'))).toEqual(Buffer.from(hub.root!));
    for (const name of await readdir(join(folder, 'identity'))) {
      expect((await stat(join(folder, 'identity', name))).mode & 0o777, name).toBe(0o600);
    }
    expect(await hub.devices.get('gas-1')).toMatchObject({ group: 'north', connected: false });
    const [event] = await hub.audit.list({ action: 'device.enrolled' });
    expect(event).toMatchObject({ actor: 'device:gas-1', target: 'device/gas-1' });
    expect(JSON.stringify(event)).not.toContain(parseJoinToken(token).secret);
  });

  it('refuses a token past its time', async () => {
    const token = await hub.token({ ttlMs: 60_000 });
    hub.clock.offsetMs = 61_000;
    try {
      await expect(enrol({ token, deviceId: 'late', folder, facts })).rejects.toMatchObject({
        code: 'join_token_expired',
      });
    } finally {
      hub.clock.offsetMs = 0;
    }
    expect(await readdir(folder)).toEqual([]);
  });

  it('refuses a token that is used up, and two devices cannot share its last use', async () => {
    const token = await hub.token({ uses: 1 });
    const outcomes = await Promise.allSettled(
      ['twin-a', 'twin-b'].map((deviceId) =>
        enrol({ token, deviceId, folder: join(folder, deviceId), facts }),
      ),
    );
    expect(outcomes.map((one) => one.status).sort()).toEqual(['fulfilled', 'rejected']);
    const refused = outcomes.find((one) => one.status === 'rejected');
    expect(refused?.reason).toMatchObject({ code: 'join_token_used_up' });
  });

  it('gives the last use of a token to one of those who ask at the same time', async () => {
    const { secret } = parseJoinToken(await hub.token({ uses: 2 }));
    const ids = ['race-1', 'race-2', 'race-3', 'race-4'];
    const requests = await Promise.all(
      ids.map(async (device) => ({
        v: 1 as const,
        secret,
        device,
        csr: (await makeKeyAndCsr(device)).csrPem,
        facts,
      })),
    );
    const outcomes = await Promise.allSettled(requests.map((one) => hub.enrolments.enrol(one, '127.0.0.1')));
    const refusals = outcomes.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
    expect(refusals).toHaveLength(2);
    for (const reason of refusals) expect(reason).toMatchObject({ code: 'join_token_used_up' });
  });

  /** Enrols over a line that is cut when the hub has stored everything and before it answers. */
  const enrolUnanswered = async (token: string, deviceId: string) => {
    const line = await throttledLine(hub.http.port, 10_000_000);
    const { enrolments } = hub;
    const answered = enrolments.enrol.bind(enrolments);
    enrolments.enrol = async (...request) => {
      const answer = await answered(...request);
      await line.close();
      return answer;
    };
    try {
      const far = encodeJoinToken({ ...parseJoinToken(token), hub: `https://localhost:${line.port}` });
      await expect(enrol({ token: far, deviceId, folder, facts })).rejects.toMatchObject({
        code: 'hub_unreachable',
      });
    } finally {
      enrolments.enrol = answered;
    }
  };

  it('ends an enrolment whose answer was lost, with a token that is used up', async () => {
    const token = await hub.token({ uses: 1 });
    await enrolUnanswered(token, 'unanswered');
    const { sha256 } = (await hub.devices.view('unanswered')).certificate;
    await enrol({ token, deviceId: 'unanswered', folder, facts });
    const identity = await loadIdentity(folder);
    expect(certificateFingerprint(identity.certificatePem)).toBe(sha256);
    expect(existsSync(join(folder, 'enrolling.json'))).toBe(false);
    expect(await hub.audit.list({ action: 'device.enrolment_repeated' })).toMatchObject([
      { target: 'device/unanswered' },
    ]);
  });

  it('refuses the repetition to another key, even with the token, and to another id', async () => {
    const token = await hub.token({ uses: 1 });
    await enrolUnanswered(token, 'mine');
    const elsewhere = join(folder, 'elsewhere');
    for (const deviceId of ['mine', 'yours']) {
      await expect(enrol({ token, deviceId, folder: elsewhere, facts })).rejects.toMatchObject({
        code: 'join_token_used_up',
      });
    }
    const another = await hub.token({ uses: 5 });
    await expect(enrol({ token: another, deviceId: 'mine', folder, facts })).rejects.toMatchObject({
      code: 'device_exists',
    });
  });

  it('repeats no answer past the time of the token, after its revocation, or for a removed device', async () => {
    const made = await hub.joinTokens.create({ group: 'lab', uses: 1, ttlMs: 60_000 }, operator);
    await enrolUnanswered(made.token, 'too-late');
    const again = () => enrol({ token: made.token, deviceId: 'too-late', folder, facts });
    const kept = await readFile(join(folder, 'enrolling.json'));
    const restore = () => writeFile(join(folder, 'enrolling.json'), kept);
    hub.clock.offsetMs = 61_000;
    await expect(again()).rejects.toMatchObject({ code: 'join_token_used_up' });
    hub.clock.offsetMs = 0;
    expect(await readdir(folder)).toEqual([]);
    await restore();
    await hub.joinTokens.revoke(made.id, operator);
    await expect(again()).rejects.toMatchObject({ code: 'join_token_revoked' });
    const token = await hub.token({ uses: 1 });
    await enrolUnanswered(token, 'gone-again');
    await hub.devices.remove('gone-again', operator);
    await expect(enrol({ token, deviceId: 'gone-again', folder, facts })).rejects.toMatchObject({
      code: 'join_token_used_up',
    });
  });

  it('answers the same request twice at the same time with one identity', async () => {
    const { secret } = parseJoinToken(await hub.token({ uses: 1 }));
    const { csrPem: csr } = await makeKeyAndCsr('double');
    const request = { v: 1 as const, secret, device: 'double', csr, facts };
    const answers = await Promise.all([1, 2, 3].map(() => hub.enrolments.enrol(request, '127.0.0.1')));
    expect(new Set(answers.map(({ certificate }) => certificate)).size).toBe(1);
  });

  it('makes a new key when the one it kept is damaged or of another token', async () => {
    await writeFile(join(folder, 'enrolling.json'), '{"v":1,"keyPem":"x"}');
    await enrol({ token: await hub.token(), deviceId: 'fresh', folder, facts });
    expect((await loadIdentity(folder)).device).toBe('fresh');
  });

  it('says how far the clock is from the hub’s', async () => {
    const enrolled = await enrol({ token: await hub.token(), deviceId: 'timed', folder, facts });
    expect(Math.abs(enrolled.clockBehindMs)).toBeLessThan(5_000);
    expect(clockNote(59_000)).toEqual([]);
    expect(clockNote(40 * 86_400_000)[0]).toMatch(/clock of this device is 40d behind that of the hub/);
    expect(clockNote(-7_200_000)[0]).toMatch(/2h ahead of that of the hub/);
  });

  it('refuses a certificate request over the limit', async () => {
    const { secret } = parseJoinToken(await hub.token());
    const csr = 'A'.repeat(limits.csrCharsMax + 1);
    const answer = await post({ v: 1, secret, device: 'big', csr, facts });
    expect(answer).toMatchObject({ status: 400, code: 'bad_input', detail: expect.stringContaining('/csr') });
  });

  it('refuses a forged secret', async () => {
    const token = parseJoinToken(await hub.token());
    const forged = encodeJoinToken({ ...token, secret: 'A'.repeat(43) });
    await expect(enrol({ token: forged, deviceId: 'forger', folder, facts })).rejects.toMatchObject({
      code: 'join_token_unknown',
    });
  });

  it('refuses a revoked token', async () => {
    const made = await hub.joinTokens.create({ group: 'lab', uses: 5, ttlMs: 60_000 }, operator);
    await hub.joinTokens.revoke(made.id, operator);
    await expect(enrol({ token: made.token, deviceId: 'revoked-1', folder, facts })).rejects.toMatchObject({
      code: 'join_token_revoked',
    });
  });

  it('refuses an id that is enrolled, and gives the use of the token back', async () => {
    await hub.enrol('taken', join(folder, 'first'));
    const token = await hub.token();
    await expect(
      enrol({ token, deviceId: 'taken', folder: join(folder, 'second'), facts }),
    ).rejects.toMatchObject({ code: 'device_exists' });
    await enrol({ token, deviceId: 'free', folder: join(folder, 'second'), facts });
  });

  it('enrols a removed id again', async () => {
    await hub.enrol('phoenix', join(folder, 'first'));
    await hub.devices.remove('phoenix', operator);
    const identity = await hub.enrol('phoenix', join(folder, 'second'));
    expect(identity.device).toBe('phoenix');
  });

  it('sends nothing to a server that does not have the CA of the token', async () => {
    const other = await Authority.open(join(folder, 'other'), { clock: systemClock, advertise: [] });
    const received: Buffer[] = [];
    const server = createServer({ key: other.serverKeyPem, cert: other.serverCertPem }, (socket) => {
      socket.on('data', (data) => received.push(data));
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = server.address() as AddressInfo;
      const token = encodeJoinToken({
        ...parseJoinToken(await hub.token()),
        hub: `https://localhost:${port}`,
      });
      await expect(
        enrol({ token, deviceId: 'careful', folder: join(folder, 'agent'), facts }),
      ).rejects.toMatchObject({ code: 'ca_mismatch' });
      expect(received).toEqual([]);
    } finally {
      server.close();
    }
  });

  it('keeps nothing when the trust root is not the one of the token', async () => {
    const token = encodeJoinToken({ ...parseJoinToken(await hub.token()), root: 'ab'.repeat(32) });
    await expect(enrol({ token, deviceId: 'rootless', folder, facts })).rejects.toMatchObject({
      code: 'enrolment_answer_refused',
    });
    expect(await readdir(folder)).toEqual([]);
  });

  it('says so when there is no hub', async () => {
    const token = encodeJoinToken({
      ...parseJoinToken(await hub.token()),
      hub: 'https://localhost:1',
    });
    await expect(enrol({ token, deviceId: 'alone', folder, facts })).rejects.toMatchObject({
      code: 'hub_unreachable',
    });
  });

  it.each(['a/b', 'a+b', '#', 'nul\0', 'x'.repeat(65), '', '..', 'ü'])(
    'refuses the device id %j, here before anything is sent, and on the hub',
    async (deviceId) => {
      const token = await hub.token();
      const nowhere = encodeJoinToken({ ...parseJoinToken(token), hub: 'https://localhost:1' });
      await expect(enrol({ token: nowhere, deviceId, folder, facts })).rejects.toMatchObject({
        code: 'bad_input',
      });
      const { secret } = parseJoinToken(token);
      const answer = await post({ v: 1, secret, device: deviceId, csr: 'x', facts });
      expect(answer).toMatchObject({ status: 400, code: 'bad_input' });
    },
  );

  it('does not give up an identity without being told to', async () => {
    await hub.enrol('steady', folder);
    const token = await hub.token();
    await expect(enrol({ token, deviceId: 'other', folder, facts })).rejects.toMatchObject({
      code: 'already_enrolled',
    });
    await enrol({ token, deviceId: 'other', folder, facts, force: true });
    expect((await loadIdentity(folder)).device).toBe('other');
  });

  it('leaves nothing of another device or another trust root in the folder', async () => {
    const stateFiles = ['state/desired.json', 'state/updates/m.json', 'outbox/0000000000000001.events'];
    const versions = ['state/slots.json', 'state/clock.json', 'slots/a/model.onnx'];
    const again = async (deviceId: string) => {
      for (const file of [...stateFiles, ...versions]) {
        await mkdir(dirname(join(folder, file)), { recursive: true });
        await writeFile(join(folder, file), 'x');
      }
      await enrol({ token: await hub.token(), deviceId, folder, facts, force: true });
      return [...stateFiles, ...versions].filter((file) => existsSync(join(folder, file)));
    };
    await hub.enrol('first', folder);
    await hub.devices.remove('first', operator);
    // What it was to run was signed under metadata that has left: kept, it would be told as a statement that nobody signed.
    expect(await again('first')).toEqual([...stateFiles.slice(1), ...versions]);
    expect(await again('second')).toEqual(versions);
    const { root } = hub;
    hub.root = Buffer.from('{"another":"root"}');
    try {
      expect(await again('third')).toEqual([]);
    } finally {
      hub.root = root;
    }
  });

  it('does not change the identity under an agent that runs', async () => {
    await hub.enrol('running', folder);
    const lock = lockFolder(folder);
    onTestFinished(() => lock.release());
    const token = await hub.token();
    await expect(enrol({ token, deviceId: 'next', folder, facts, force: true })).rejects.toMatchObject({
      code: 'data_folder_locked',
    });
    expect((await loadIdentity(folder)).device).toBe('running');
  });

  it('makes no join token before trust is set up', async () => {
    const { root } = hub;
    hub.root = undefined;
    try {
      await expect(hub.token()).rejects.toMatchObject({ code: 'trust_not_initialised' });
    } finally {
      hub.root = root;
    }
  });
});
