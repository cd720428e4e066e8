/**
 * A stateful fuzzer of the REST API, driven by the hub's own description, with the checks of Schemathesis: no server error, and every
 * answer of a documented status, content type, body and headers; what breaks a schema is refused, and what fits all of them is not
 * called malformed; a caller without a token gets 401; what was created is found, and what was deleted is not. (Other methods than the
 * described ones: test/integration/hub/http/semantics.test.ts.)
 * `npm run fuzz:api` runs for ten minutes; FUZZ_SECONDS, FUZZ_RUNS and FUZZ_SEED set how long, how often and from which seed.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { makeKeyAndCsr } from '../../agent/connection/csr.ts';
import { parseJoinToken } from '../../shared/protocol/join-token.ts';
import { requestDescription } from '../openapi/fetch-description.ts';
import type { Answer } from '../support/conformance.ts';
import { facts } from '../support/connection-hub.ts';
import {
  describedOperations,
  type Method,
  type Operation,
  type Parameter,
} from '../support/described-api.ts';
import { broken, valid } from '../support/described-values.ts';
import { RecordedApi } from '../support/recorded-api.ts';
import { RunningHub } from '../support/running-hub.ts';
import { StockedHub, stock } from '../support/stocked-hub.ts';

const runs = Number(process.env['FUZZ_RUNS'] ?? 150);
const secondsMax = Number(process.env['FUZZ_SECONDS'] ?? 10);
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31);
vi.setConfig({ testTimeout: (secondsMax + 60) * 1_000, hookTimeout: 120_000 });

/** Operations that refuse with `bad_input` what no schema can express, and what that is. */
const rulesBeyondSchema: Readonly<Record<string, string>> = {
  publishVersion: 'manifest and metadata are documents in Base64',
  withdrawVersion: 'metadata is a document in Base64',
  initialiseTrust: 'each file is a document in Base64',
  refreshPublisherMetadata: 'metadata is a document in Base64',
  listAuditEvents: '`action` is one of the log, or the beginning of some',
  listDevices: '`version` goes with `model`',
  listFigures: '`device`, `sort`, `after` and the longest time go with `by`',
  verifyAuditLog: '`number` and `hash` of a head go together',
  enrolDevice: 'the request for a certificate is one of its own format',
};

let folder: string;
let hub: RunningHub;
let token: string;
let operations: readonly Operation[];
let api: RecordedApi;
const record = { seen: new Set<string>(), faults: [] as string[] };

/** Names of what exists, by the segment of the path that they follow, so that random requests reach more than "not found". */
const existing: Record<string, string[]> = {
  models: [stock.model],
  versions: [stock.version],
  devices: ['dev-1'],
  'join-tokens': [],
  rollouts: [],
  tokens: [],
};

interface Asked {
  readonly method: Method;
  readonly operationId: string;
  readonly role: string | undefined;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
  readonly isStranger: boolean;
  /** Which part breaks its schema; undefined when all parts fit. */
  readonly broken: 'body' | 'query' | 'path' | undefined;
}

/** A request to any operation; its names are now and then those of things that exist. */
function requests(): fc.Arbitrary<Asked> {
  const usable = operations.filter(({ body }) => !body?.type.includes('octet'));
  return fc.constantFrom(...usable).chain((operation) => {
    const { method, operationId, role, parameters, body, path } = operation;
    const of = (where: Parameter['in']) => parameters.filter((one) => one.in === where);
    const optional = (among: readonly Parameter[]) =>
      fc.record(Object.fromEntries(among.map(({ name, schema }) => [name, valid(schema)])), {
        requiredKeys: among.filter((one) => one.required).map(({ name }) => name),
      });
    const breakable = [
      ...(body ? (['body'] as const) : []),
      // Probes and browsers add parameters of their own to what needs no token.
      ...(role === undefined ? [] : (['query'] as const)),
      ...(of('path').length > 0 ? (['path'] as const) : []),
    ];
    return fc
      .record({
        names: fc.tuple(...of('path').map(({ schema }) => valid(schema))),
        useExisting: fc.nat({ max: 1_000 }),
        // A cursor comes from the page before: no schema can say which texts are cursors.
        query: optional(of('query').filter(({ name }) => name !== 'after')),
        headers: optional(of('header')),
        breaks: fc.oneof(
          { weight: 2, arbitrary: fc.constant(undefined) },
          ...breakable.map((part) => fc.constant(part)),
        ),
        isStranger: fc.nat({ max: 20 }).map((n) => n === 0),
        good: body ? valid(body.schema) : fc.constant(undefined),
        bad: body ? broken(body.schema) : fc.constant(undefined),
      })
      .map(({ names, useExisting, query, headers, breaks, isStranger, good, bad }): Asked => {
        const named = names.map((name) => (breaks === 'path' ? `${String(name)} \0` : String(name)));
        const filled = fill(path, of('path'), named, breaks === 'path' ? undefined : useExisting);
        const asked = Object.entries(query).map(([name, value]): [string, string] => [name, String(value)]);
        if (breaks === 'query') asked.push(['noSuchParameter', '1']);
        const text = new URLSearchParams(asked).toString();
        return {
          method,
          operationId,
          role,
          path: `${filled}${text === '' ? '' : `?${text}`}`,
          headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
          body: breaks === 'body' ? bad : good,
          isStranger,
          broken: breaks,
        };
      });
  });
}

/** The path with a name for each parameter: of something that exists for two of three values of `useExisting`. */
function fill(
  template: string,
  parameters: readonly Parameter[],
  names: readonly string[],
  useExisting: number | undefined,
): string {
  return parameters.reduce((path, { name }, n) => {
    const placeholder = `{${name}}`;
    const kind = path.slice(0, path.indexOf(placeholder)).split('/').at(-2)!;
    const known = existing[kind] ?? [];
    const isKnown = useExisting !== undefined && useExisting % 3 > 0 && known.length > 0;
    return path.replace(
      placeholder,
      encodeURIComponent(isKnown ? known[useExisting % known.length]! : names[n]!),
    );
  }, template);
}

/** What the fuzzer itself asks with, or what it compares with, must stay. */
function isSpared({ operationId, path }: Asked): boolean {
  return (operationId === 'revokeToken' && /\/admin(?:\?|$)/.test(path)) || operationId === 'collectGarbage';
}

async function checkStranger({ method, path, body, headers }: Asked, strangers: number): Promise<void> {
  // Refusals are limited by address.
  const localAddress = `127.2.${Math.floor(strangers / 200) % 250}.${(strangers % 200) + 1}`;
  const answer = await api.call(method, path, { body, headers, localAddress });
  expect(answer.status, `${method} ${path} without a token`).toBe(401);
}

async function checkCreated(answer: Answer, what: string): Promise<void> {
  const location = answer.headers['location'];
  if (answer.status !== 201 || location === undefined) return;
  const { pathname } = new URL(location, hub.url);
  const found = await api.call('GET', pathname, { token });
  expect(found.status, `created by ${what}`).toBe(200);
  const [kind, name] = pathname.split('/').slice(-2) as [string, string];
  existing[kind]?.push(decodeURIComponent(name));
}

async function checkDeleted(
  { operationId, method, path }: Asked,
  answer: Answer,
  what: string,
): Promise<void> {
  if (method !== 'DELETE' || answer.status !== 204) return;
  const again = await api.call('GET', path.split('?')[0]!, { token });
  // What is revoked stays in its list, as revoked.
  const gone = `deleted by ${what}`;
  if (operationId === 'revokeToken') expect(again.json.revokedAt, gone).toEqual(expect.any(Number));
  else if (operationId === 'revokeJoinToken') expect(again.json.status, gone).toBe('revoked');
  else expect(again.status, gone).toBe(404);
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'modelfleet-fuzz-'));
  const { data, adminToken } = await StockedHub.make(folder);
  token = adminToken;
  hub = await RunningHub.start({ data, options: { requestsPerToken: 1_000_000 } });
  operations = describedOperations(await requestDescription(hub));
  const url = `https://127.0.0.1:${new URL(hub.url).port}`;
  api = new RecordedApi(operations, { url, ca: hub.ca }, record);
  const body = { group: 'lab', uses: 1, ttlMs: 3_600_000 };
  const joinToken = await api.call('POST', '/api/v1/join-tokens', { token, body });
  const { secret } = parseJoinToken(joinToken.json.token);
  const { csrPem } = await makeKeyAndCsr('dev-1');
  await api.call('POST', '/api/v1/enrol', { body: { v: 1, secret, device: 'dev-1', csr: csrPem, facts } });
});
afterAll(async () => {
  await hub?.stop();
  await rm(folder, { recursive: true, force: true });
});

describe(`the REST API under random requests (seed ${seed}, ${runs} runs)`, () => {
  it('answers as it is described, whatever is asked in whatever order', async () => {
    let strangers = 0;
    const once = async (asked: Asked) => {
      if (isSpared(asked)) return;
      const { method, path, headers, body, role, operationId } = asked;
      if (asked.isStranger && role !== undefined) {
        strangers += 1;
        await checkStranger(asked, strangers);
      }
      record.faults.length = 0;
      const answer = await api.call(method, path, {
        ...(role === undefined ? {} : { token }),
        headers,
        body,
      });
      const what = `${method} ${path} ${JSON.stringify(headers)} ${JSON.stringify(body)}: ${answer.status} ${answer.text.slice(0, 300)}`;
      expect(record.faults.join('\n'), what).toBe('');
      expect(answer.status, what).toBeLessThan(500);
      if (asked.broken)
        expect(answer.status, `${asked.broken} is broken: ${what}`).toBeGreaterThanOrEqual(400);
      else if (!(operationId in rulesBeyondSchema)) expect(answer.json?.code, what).not.toBe('bad_input');
      await checkCreated(answer, what);
      await checkDeleted(asked, answer, what);
    };
    await fc.assert(
      fc.asyncProperty(fc.array(requests(), { minLength: 1, maxLength: 5 }), async (sequence) => {
        for (const asked of sequence) await once(asked);
      }),
      { seed, numRuns: runs, interruptAfterTimeLimit: secondsMax * 1_000 },
    );
    // It is no fuzzing where nothing was granted.
    const granted = [...record.seen].filter((one) => / 20[0-9]$/.test(one));
    expect(granted.length, granted.join()).toBeGreaterThan(10);
  });
});
