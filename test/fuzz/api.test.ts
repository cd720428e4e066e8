/**
 * A stateful fuzzer of the REST API, driven by the hub's own description, with the checks of Schemathesis: no server error, and every
 * answer of a documented status, content type, body and headers; what breaks the schema is refused, what fits it is not called
 * malformed; a caller without a token gets 401; what was created is found, and what was deleted is not. (Other methods than the
 * described ones: test/integration/hub/http/semantics.test.ts.)
 * `npm run fuzz:api` runs for ten minutes; FUZZ_SECONDS, FUZZ_RUNS and FUZZ_SEED set how long, how often and from which seed.
 */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { requestDescription } from '../openapi/fetch-description.ts';
import { describedOperations, type Operation, type Schema } from '../support/described-api.ts';
import { RecordedApi } from '../support/recorded-api.ts';
import { RunningHub } from '../support/running-hub.ts';

const runs = Number(process.env['FUZZ_RUNS'] ?? 150);
const secondsMax = Number(process.env['FUZZ_SECONDS'] ?? 10);
const seed = Number(process.env['FUZZ_SEED'] ?? Date.now() % 2 ** 31);
vi.setConfig({ testTimeout: (secondsMax + 60) * 1_000, hookTimeout: 60_000 });

/** Schemas of parameters are checked by these; long texts and lists prove nothing more. */
const CHARS_MAX = 40;
const ITEMS_MAX = 3;

let hub: RunningHub;
let operations: readonly Operation[];
let api: RecordedApi;
const record = { seen: new Set<string>(), faults: [] as string[] };

/** Values of a schema. */
function valid(schema: Schema): fc.Arbitrary<unknown> {
  const { type, anyOf, allOf, enum: values, const: constant, properties, items } = schema;
  if (constant !== undefined) return fc.constant(constant);
  if (values) return fc.constantFrom(...values);
  if (anyOf) return fc.oneof(...anyOf.map(valid));
  if (allOf) {
    return fc.tuple(...allOf.map(valid)).map((parts) => Object.assign({}, ...(parts as object[])));
  }
  if (properties || type === 'object') return objectOf(schema);
  switch (type) {
    case 'string':
      return textOf(schema);
    case 'integer':
      return fc.integer({ min: schema.minimum ?? 0, max: Math.min(schema.maximum ?? 2 ** 31, 2 ** 31) });
    case 'number':
      return fc.double({ min: schema.minimum ?? 0, max: schema.maximum ?? 1_000, noNaN: true });
    case 'boolean':
      return fc.boolean();
    case 'null':
      return fc.constant(null);
    case 'array':
      return fc.array(valid(items ?? {}), {
        minLength: schema.minItems ?? 0,
        maxLength: Math.max(schema.minItems ?? 0, ITEMS_MAX),
      });
    default:
      return fc.json().map((text) => JSON.parse(text));
  }
}

function objectOf({ properties = {}, required = [] }: Schema): fc.Arbitrary<unknown> {
  const fields = Object.fromEntries(Object.entries(properties).map(([name, one]) => [name, valid(one)]));
  return fc.record(fields, { requiredKeys: required.filter((name) => Object.hasOwn(fields, name)) });
}

function textOf({ pattern, minLength = 0, maxLength = 512 }: Schema): fc.Arbitrary<string> {
  const longest = Math.max(minLength, Math.min(maxLength, CHARS_MAX));
  if (pattern === undefined) return fc.string({ minLength, maxLength: longest });
  // What looks ahead forbids texts that are rare among the others.
  const matching = fc.stringMatching(new RegExp(pattern.replaceAll(/\(\?!.*?\)(?=\[)/g, '')));
  return matching.filter(
    (text) => text.length >= minLength && text.length <= maxLength && new RegExp(pattern).test(text),
  );
}

/** A body that breaks the schema: a field too many, one of another type, one too few, or no object at all. */
function broken(schema: Schema): fc.Arbitrary<unknown> {
  const { properties = {}, required = [] } = schema;
  const names = Object.keys(properties);
  const object = valid(schema) as fc.Arbitrary<Record<string, unknown>>;
  const ways: fc.Arbitrary<unknown>[] = [fc.constant([1]), fc.constant('text')];
  if (schema.properties) ways.push(object.map((body) => ({ ...body, 'no such field': 1 })));
  if (names.length > 0) {
    ways.push(
      fc.tuple(object, fc.constantFrom(...names)).map(([body, name]) => ({ ...body, [name]: { deep: [] } })),
    );
  }
  if (required.length > 0) {
    ways.push(
      fc.tuple(object, fc.constantFrom(...required)).map(([body, name]) => {
        const { [name]: _left, ...rest } = body;
        return rest;
      }),
    );
  }
  return fc.oneof(...ways);
}

interface Asked {
  readonly operationId: string;
  readonly path: string;
  readonly isStranger: boolean;
  readonly body: unknown;
  readonly isBroken: boolean;
}

/** A request to any operation; its names are now and then those of things that were created. */
function requests(created: () => readonly string[]): fc.Arbitrary<Asked> {
  const usable = operations.filter(({ body }) => !body?.type.includes('octet'));
  return fc.constantFrom(...usable).chain((operation) => {
    const { parameters, body } = operation;
    const named = parameters.filter((one) => one.in === 'path');
    const queried = parameters.filter((one) => one.in === 'query');
    const query = fc.record(Object.fromEntries(queried.map(({ name, schema }) => [name, valid(schema)])), {
      requiredKeys: queried.filter((one) => one.required).map(({ name }) => name),
    });
    return fc
      .record({
        names: fc.tuple(...named.map(({ schema }) => valid(schema))),
        useCreated: fc.option(fc.nat({ max: 50 })),
        query,
        isBroken: fc.boolean(),
        isStranger: fc.nat({ max: 20 }).map((n) => n === 0),
        good: body ? valid(body.schema) : fc.constant(undefined),
        bad: body ? broken(body.schema) : fc.constant(undefined),
      })
      .map(({ names, useCreated, query: asked, isBroken, isStranger, good, bad }) => {
        const known = created();
        let path = operation.path;
        for (const [n, { name }] of named.entries()) {
          const value =
            n === 0 && useCreated !== null && known.length > 0
              ? known[useCreated % known.length]!
              : String(names[n]);
          path = path.replace(`{${name}}`, encodeURIComponent(value));
        }
        const text = new URLSearchParams(
          Object.entries(asked).map(([name, value]) => [name, String(value)] as [string, string]),
        ).toString();
        const breaks = isBroken && body !== undefined;
        return {
          operationId: operation.operationId,
          isStranger,
          path: text === '' ? path : `${path}?${text}`,
          body: breaks ? bad : good,
          isBroken: breaks,
        };
      });
  });
}

beforeAll(async () => {
  hub = await RunningHub.start({ options: { requestsPerToken: 1_000_000 } });
  operations = describedOperations(await requestDescription(hub));
  const url = `https://127.0.0.1:${new URL(hub.url).port}`;
  api = new RecordedApi(operations, { url, ca: hub.ca }, record);
});
afterAll(() => hub?.stop());

describe(`the REST API under random requests (seed ${seed}, ${runs} runs)`, () => {
  it('answers as it is described, whatever is asked in whatever order', async () => {
    const token = hub.adminToken;
    const created: string[] = [];
    let strangers = 0;
    const once = async ({ operationId, path, body, isBroken, isStranger }: Asked) => {
      const { method, role } = operations.find((one) => one.operationId === operationId)!;
      // It takes away what the fuzzer asks with.
      if (operationId === 'revokeToken' && /\/admin$/.test(path)) return;
      if (isStranger && role !== undefined) {
        strangers += 1;
        // Refusals are limited by address.
        const localAddress = `127.2.${Math.floor(strangers / 200) % 250}.${(strangers % 200) + 1}`;
        expect((await api.call(method, path, { body, localAddress })).status).toBe(401);
      }
      const call = { ...(role === undefined ? {} : { token }), body };
      const answer = await api.call(method, path, call);
      const what = `${method} ${path} ${JSON.stringify(body)}: ${answer.status} ${answer.text.slice(0, 300)}`;
      expect(record.faults, what).toEqual([]);
      expect(answer.status, what).toBeLessThan(500);
      if (isBroken) expect(answer.status, what).toBeGreaterThanOrEqual(400);
      const location = answer.headers['location'];
      if (answer.status === 201 && location) {
        const found = await api.call('GET', new URL(location, hub.url).pathname, { token });
        expect(found.status, `created by ${what}`).toBe(200);
        created.push(decodeURIComponent(location.split('/').at(-1)!));
      }
      if (method === 'DELETE' && answer.status === 204) {
        const again = await api.call('GET', path.split('?')[0]!, { token });
        // A revoked token stays in the list, as revoked.
        if (operationId === 'deleteDevice') expect(again.status, `deleted by ${what}`).toBe(404);
        else expect(again.json.status ?? 'revoked', `revoked by ${what}`).toBe('revoked');
      }
    };
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          requests(() => created),
          { minLength: 1, maxLength: 5 },
        ),
        async (asked) => {
          for (const one of asked) await once(one);
        },
      ),
      { seed, numRuns: runs, interruptAfterTimeLimit: secondsMax * 1_000 },
    );
    // It is no fuzzing where nothing was granted.
    expect([...record.seen].filter((one) => / 20[0-9]$/.test(one)).length).toBeGreaterThan(10);
  });
});
