/**
 * Every status that the description documents is answered by a live hub, and nothing else: each answer is held against the
 * description (status, content type, body, headers).
 */

import { once } from 'node:events';
import { connect as connectPlain } from 'node:net';
import { connect } from 'node:tls';
import SQLite from 'better-sqlite3';
import canonicalize from 'canonicalize';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { makeKeyAndCsr } from '../../agent/connection/csr.ts';
import type { HubClient } from '../../cli/context.ts';
import { makeNewTrust, parseHubKeys } from '../../cli/trust/new-trust.ts';
import { publishVersion, refreshMetadata, sendWithdrawal } from '../../cli/trust/publish-version.ts';
import { limits } from '../../shared/base/limits.ts';
import { sha256 } from '../../shared/digest/sha256.ts';
import { parseJoinToken } from '../../shared/protocol/join-token.ts';
import { requestDescription } from '../openapi/fetch-description.ts';
import { facts } from '../support/connection-hub.ts';
import { describedOperations, type Operation } from '../support/described-api.ts';
import { linearFolder, pack } from '../support/linear-pack-folder.ts';
import { packedFolder, trustBody } from '../support/model-hub.ts';
import { type Call, RecordedApi, readRawAnswer } from '../support/recorded-api.ts';
import { RunningHub } from '../support/running-hub.ts';
import { assign, storeAlerts } from '../support/stored-by-hand.ts';

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const record = { seen: new Set<string>(), faults: [] as string[] };
/** Bodies of requests that were granted, by operation: they fit its schema. */
const bodies = new Map<string, unknown>();
/** A value for each parameter of a path that names nothing. */
const unknown: Readonly<Record<string, string>> = {
  name: 'nobody',
  id: 'nobody',
  model: 'no-model',
  version: '9.9.9',
  sha256: '0'.repeat(64),
  role: 'root',
};
const USED_KEY = 'a-key-that-was-used';
let hub: RunningHub;
let operations: readonly Operation[];
let api: RecordedApi;
let admin: string;
let address = 0;

/** Each from another address: refusals are limited by address. */
const elsewhere = () => {
  address += 1;
  return `127.1.${Math.floor(address / 200)}.${(address % 200) + 1}`;
};

/** The path of an operation for things that do not exist. */
function pathOf({ operationId, path }: Operation): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name) => {
    if (name === 'id' && /JoinToken/.test(operationId)) return 'jt-000000000000';
    if (name === 'id' && /Rollout/.test(operationId)) return 'r-00000000';
    if (name === 'id' && /Silence/.test(operationId)) return 's-000000000000';
    if (name === 'id' && /Alert/.test(operationId)) return 'a-000000000000';
    return unknown[name]!;
  });
}

const isBytes = ({ body }: Operation) => body?.type.includes('octet') === true;

/** A body that fits the schema, where the operation takes one. */
function bodyOf(operation: Operation): unknown {
  if (operation.body === undefined) return undefined;
  return isBytes(operation) ? Buffer.from('x') : (bodies.get(operation.operationId) ?? {});
}

async function granted(method: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE', path: string, call: Call = {}) {
  const answer = await api.call(method, `/api/v1${path}`, { token: admin, ...call });
  expect(answer.status, `${method} ${path}: ${answer.text}`).toBeLessThan(300);
  if (call.body !== undefined)
    bodies.set(api.operation(method, `/api/v1${path.split('?')[0]!}`).operationId, call.body);
  return answer.json;
}

beforeAll(async () => {
  hub = await RunningHub.start();
  admin = hub.adminToken;
  operations = describedOperations(await requestDescription(hub));
  const url = `https://127.0.0.1:${new URL(hub.url).port}`;
  api = new RecordedApi(operations, { url, ca: hub.ca }, record);
});
afterAll(() => hub?.stop());

it('a hub without trust says so', async () => {
  await api.call('GET', '/api/v1/trust/root', { token: admin });
  const body = { group: 'lab', uses: 1, ttlMs: 60_000 };
  await api.call('POST', '/api/v1/join-tokens', { token: admin, body });
});

it('everything an operator and a publisher do is granted', async () => {
  for (const path of ['/openapi.json', '/healthz', '/readyz']) await api.call('GET', path);
  await api.call('GET', '/metrics', { token: admin });
  const client = recordingBodies();
  const { tools } = await makeTrust(client, hub.data);
  const profiled = await pack(await linearFolder(), { skipGoldenCheck: true });
  await publishVersion(profiled.packed, tools);
  for (const version of ['1.0.0', '2.0.0'])
    await publishVersion(await packedFolder({ version, bytes: 500 }), tools);
  await refreshMetadata(tools, { restored: false });
  await sendWithdrawal({ model: 'demo', version: '2.0.0', reason: 'wrong' }, tools);
  const blob = Buffer.from('a blob');
  const digest = sha256(blob);
  await granted('PUT', `/blobs/${digest}`, { body: blob });
  await granted('PUT', `/blobs/${digest}`, { body: blob });
  await granted('POST', '/tokens', {
    body: { name: 'ci', role: 'viewer' },
    headers: { 'idempotency-key': USED_KEY },
  });
  const join = await granted('POST', '/join-tokens', { body: { group: 'lab', uses: 5, ttlMs: 60_000 } });
  const { secret } = parseJoinToken(join.token);
  const { csrPem } = await makeKeyAndCsr('dev-1');
  const enrolment = { v: 1, secret, device: 'dev-1', csr: csrPem, facts };
  await granted('POST', '/enrol', { token: undefined, body: enrolment });
  const again = { ...enrolment, csr: (await makeKeyAndCsr('dev-1')).csrPem };
  await api.call('POST', '/api/v1/enrol', { body: again });
  await api.call('POST', '/api/v1/enrol', { body: { ...enrolment, secret: 'x'.repeat(32) } });
  await granted('PATCH', '/devices/dev-1', { body: { group: 'lab' } });
  const plan = { model: 'm', version: '1.2.0', phases: [{ percent: 100 }], group: 'lab' };
  const { id } = await granted('POST', '/rollouts', { body: plan });
  await granted('POST', '/devices/dev-1/release', { body: { model: 'm' } });
  for (const action of ['pause', 'resume', 'rollback'])
    await granted('POST', `/rollouts/${id}/${action}`, { body: { reason: 'a test' } });
  const second = await granted('POST', '/rollouts', { body: { ...plan, model: 'demo', version: '1.0.0' } });
  const offered = async () => (await granted('GET', `/rollouts/${second.id}`)).counts.offered;
  await expect.poll(offered, { timeout: 10_000 }).toBe(1);
  await granted('POST', `/rollouts/${second.id}/abort`, { body: { reason: 'a test', keep: true } });
  for (const action of ['pause', 'resume', 'abort'])
    await api.call('POST', `/api/v1/rollouts/${second.id}/${action}`, { token: admin, body: {} });
  assign(hub.data, 'dev-1', 'demo');
  await granted('POST', '/models/demo/unassign', { body: { device: 'dev-1' } });
  await granted('POST', '/hub/gc', { body: { dryRun: true } });
  await granted('PUT', '/slos/m', { body: { availability: { target: 0.99 } } });
  const [firing, resolved] = storeAlerts(hub.data);
  await granted('POST', `/alerts/${firing}/acknowledge`);
  await api.call('POST', `/api/v1/alerts/${resolved}/acknowledge`, { token: admin });
  await granted('POST', '/alerts/test', { body: {} });
  await api.call('POST', '/api/v1/alerts/test', { token: admin, body: { receiver: 'nobody' } });
  const silence = await granted('POST', '/alert-silences', { body: { reason: 'a test', forMs: 60_000 } });
  const lists = [
    'me',
    'tokens',
    'audit',
    'audit/verify',
    'audit/head',
    'join-tokens',
    'devices',
    'groups',
    'trust',
    'slos',
    'alerts',
    'alert-silences',
    'alert-deliveries',
  ];
  const rest = [
    'trust/root',
    'models',
    'rollouts',
    'telemetry?model=m',
    'telemetry/figures?model=m&by=hour',
    'drift?model=m&version=1.2.0',
  ];
  const single = [
    'tokens/ci',
    `join-tokens/${join.id}`,
    'devices/dev-1',
    'models/m',
    'models/m/versions/1.2.0',
    'slos/m',
    `alerts/${firing}`,
    `alert-silences/${silence.id}`,
  ];
  for (const path of [...lists, ...rest, ...single, `rollouts/${id}`, `rollouts/${id}/devices`])
    await granted('GET', `/${path}`);
  // A caller that has the answer gets no other.
  for (const { operationId } of operations.filter(({ responses }) => '304' in responses)) {
    const read = api.read.get(operationId);
    if (read) await api.call('GET', read, { token: admin, headers: { 'if-none-match': '*' } });
  }
  await api.call('GET', '/api/v1/drift?model=demo&version=1.0.0', { token: admin });
  await api.call('GET', '/api/v1/drift?model=no-model', { token: admin });
  // What is there already, was withdrawn, or is the last of its kind.
  const publish = bodies.get('publishVersion');
  await api.call('POST', '/api/v1/models/demo/versions', { token: admin, body: publish });
  const withdrawn = { token: admin, body: bodies.get('withdrawVersion') };
  await api.call('POST', '/api/v1/models/demo/versions/2.0.0/withdraw', withdrawn);
  await api.call('POST', '/api/v1/rollouts', {
    token: admin,
    body: { ...plan, model: 'demo', version: '2.0.0' },
  });
  await api.call('POST', '/api/v1/rollouts', { token: admin, body: { ...plan, version: '9.9.9' } });
  await api.call('POST', '/api/v1/tokens', { token: admin, body: { name: 'ci', role: 'viewer' } });
  await api.call('DELETE', '/api/v1/tokens/admin', { token: admin });
  await granted('DELETE', '/devices/dev-1');
  await granted('DELETE', `/join-tokens/${join.id}`);
  await granted('DELETE', '/tokens/ci');
  await granted('DELETE', '/slos/m');
  await granted('DELETE', `/alert-silences/${silence.id}`);
});

it('what names nothing, is malformed, too large, of another type or not allowed is refused', async () => {
  const viewer = await tokenOf('viewer');
  const publisher = await tokenOf('publisher');
  for (const operation of operations) {
    const { method } = operation;
    const path = pathOf(operation);
    const body = bodyOf(operation);
    const call = (more: Call) =>
      api.call(method, path, { token: admin, body, localAddress: elsewhere(), ...more });
    await call({});
    await call({ headers: { 'x-large': 'x'.repeat(20_000) } });
    await api.call(method, `${path}?no-such-parameter=1`, { token: admin, body });
    await call({ headers: { 'if-match': '"nothing-like-it"' } });
    if (operation.role === undefined && !path.startsWith('/api')) continue;
    await call({ token: undefined });
    await call({ token: operation.role === 'operator' ? publisher : viewer });
    if (method === 'GET') continue;
    await call({ declaredBytes: 64 * 1024 * 1024, body: isBytes(operation) ? body : undefined });
    await call({ body: Buffer.from('x'), headers: { 'content-type': 'text/plain' } });
    if (operation.parameters.some(({ name }) => name === 'Idempotency-Key')) {
      await call({ headers: { 'idempotency-key': USED_KEY } });
      await call({ headers: { 'idempotency-key': loseAnswer(operation, path, body) } });
    }
  }
});

it('a change of what has changed meanwhile is refused', async () => {
  await granted('POST', '/tokens', { body: { name: 'changed', role: 'viewer' } });
  const enrolled = await enrolDevice('dev-2');
  const plan = { model: 'm', version: '1.2.0', phases: [{ percent: 100 }], group: 'other' };
  const { id } = await granted('POST', '/rollouts', { body: plan });
  const headers = { 'if-match': '"nothing-like-it"' };
  for (const [method, path, body] of [
    ['DELETE', '/tokens/changed', undefined],
    ['PATCH', `/devices/${enrolled}`, { group: 'lab' }],
    ['DELETE', `/devices/${enrolled}`, undefined],
    ['POST', `/rollouts/${id}/pause`, {}],
    ['POST', `/rollouts/${id}/resume`, {}],
    ['POST', `/rollouts/${id}/abort`, {}],
    ['POST', `/rollouts/${id}/rollback`, {}],
  ] as const) {
    const answer = await api.call(method, `/api/v1${path}`, { token: admin, headers, body });
    expect(answer.status, `${method} ${path}: ${answer.text}`).toBe(412);
  }
});

it('a caller, and an address, that ask too often are refused until later', async () => {
  const limited = await RunningHub.start({ options: { requestsPerToken: 1 } });
  try {
    const url = `https://127.0.0.1:${new URL(limited.url).port}`;
    const limitedApi = new RecordedApi(operations, { url, ca: limited.ca }, record);
    for (const operation of operations) {
      if (operation.role === undefined) continue;
      const call = { token: limited.adminToken, body: bodyOf(operation) };
      await limitedApi.call(operation.method, pathOf(operation), call);
      await limitedApi.call(operation.method, pathOf(operation), call);
    }
    const localAddress = elsewhere();
    for (let n = 0; n <= limits.publicRequestsPerMinuteMax; n += 20) {
      const burst = Array.from({ length: 20 }, () =>
        limitedApi.call('POST', '/api/v1/enrol', { localAddress, body: {} }),
      );
      await Promise.all(burst);
    }
  } finally {
    await limited.stop();
  }
});

it('a hub whose storage is full refuses uploads', async () => {
  const small = await RunningHub.start({ options: { storageMaxBytes: 600 } });
  try {
    const url = `https://127.0.0.1:${new URL(small.url).port}`;
    const smallApi = new RecordedApi(operations, { url, ca: small.ca }, record);
    const body = Buffer.alloc(2_000);
    await smallApi.call('PUT', `/api/v1/blobs/${sha256(body)}`, { token: small.adminToken, body });
  } finally {
    await small.stop();
  }
});

it('a hub with a defect says no more than that it failed', async () => {
  const broken = await RunningHub.start();
  try {
    const url = `https://127.0.0.1:${new URL(broken.url).port}`;
    const brokenApi = new RecordedApi(operations, { url, ca: broken.ca }, record);
    const database = new SQLite(`${broken.data}/hub.db`);
    for (const table of ['api_token', 'join_token', 'trust_file'])
      database.exec(`alter table ${table} rename to gone_${table}`);
    database.close();
    for (const operation of operations) {
      const call = { token: broken.adminToken, body: bodyOf(operation), localAddress: elsewhere() };
      await brokenApi.call(operation.method, pathOf(operation), call);
    }
  } finally {
    await broken.stop();
  }
});

it('a hub that stops refuses what arrives meanwhile', async () => {
  const stopping = await RunningHub.start();
  const port = Number(new URL(stopping.url).port);
  const open = await Promise.all(
    operations.map(async (operation) => {
      const plain = connectPlain({ port, host: '127.0.0.1', localAddress: elsewhere() });
      const socket = connect({ socket: plain, servername: 'localhost', ca: stopping.ca });
      const chunks: Buffer[] = [];
      socket.on('data', (chunk) => chunks.push(chunk)).on('error', () => undefined);
      await once(socket, 'secureConnect');
      // A request under way keeps the connection open.
      socket.write(`${operation.method} ${pathOf(operation)} HTTP/1.1\r\nhost: localhost\r\n`);
      return { operation, socket, chunks };
    }),
  );
  const stopped = stopping.stop();
  await expect.poll(() => isListening(port)).toBe(false);
  for (const { operation, socket, chunks } of open) {
    const closed = once(socket, 'close');
    socket.write('\r\n');
    await closed;
    const answer = readRawAnswer(Buffer.concat(chunks));
    expect(answer, operation.operationId).toMatchObject({ status: 503, json: { code: 'hub_stopping' } });
    api.note(operation, answer);
  }
  await stopped;
});

it('every documented status was answered, and no answer was another than documented', () => {
  expect([...new Set(record.faults)]).toEqual([]);
  const documented = operations.flatMap(({ operationId, responses }) =>
    Object.keys(responses).map((status) => `${operationId} ${status}`),
  );
  expect(documented.length).toBeGreaterThan(300);
  expect(documented.filter((status) => !record.seen.has(status))).toEqual([]);
});

/** Gives the hub a trust root; returns what a publisher signs with. */
async function makeTrust(client: HubClient, folder: string) {
  const online = parseHubKeys(await client.get('/trust/keys'));
  const made = makeNewTrust({ online, rootKeys: 1, rootThreshold: 1, nowMs: Date.now() });
  await client.post('/trust', trustBody(made.files));
  const key = made.keys.get('publisher')!;
  return { tools: { hub: client, key, keyFile: `${folder}/publisher.pem`, now: Date.now } };
}

/** The client of the command line's functions; the bodies it sends fit the operations' schemas. */
function recordingBodies() {
  const client = api.client(admin);
  return {
    ...client,
    post: (path: string, body?: unknown) => {
      bodies.set(api.operation('POST', `/api/v1${path}`).operationId, body ?? {});
      return client.post(path, body);
    },
  };
}

async function tokenOf(role: string): Promise<string> {
  return (await granted('POST', '/tokens', { body: { name: `of-${role}`, role } })).secret;
}

async function enrolDevice(device: string): Promise<string> {
  const join = await granted('POST', '/join-tokens', { body: { group: 'other', uses: 1, ttlMs: 60_000 } });
  const { csrPem } = await makeKeyAndCsr(device);
  const { secret } = parseJoinToken(join.token);
  await granted('POST', '/enrol', { token: undefined, body: { v: 1, secret, device, csr: csrPem, facts } });
  return device;
}

/** The hub was killed after the request took effect and before its answer was stored: what is left of that. */
function loseAnswer({ method }: Operation, path: string, body: unknown): string {
  const key = `lost-${method}-${path}`;
  const content = `${method} ${path} ${canonicalize(body ?? null)}`;
  const database = new SQLite(`${hub.data}/hub.db`);
  database
    .prepare(`insert into idempotent_request values ('admin', ?, ?, ?, null, null)`)
    .run(sha256(key), sha256(content), Date.now());
  database.close();
  return key;
}

async function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connectPlain({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
