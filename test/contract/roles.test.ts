/** Every operation of the API by every role, as the hub's own description lists them. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requestDescription } from '../openapi/fetch-description.ts';
import { describedOperations, type Operation } from '../support/described-api.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { RecordedApi } from '../support/recorded-api.ts';
import { RunningHub } from '../support/running-hub.ts';

/** Which callers an operation of a lowest role lets in. Written out, so that a change of the rule is seen. */
const letIn: Readonly<Record<string, readonly string[]>> = {
  none: ['nobody', 'expired', 'viewer', 'operator', 'publisher', 'admin'],
  viewer: ['viewer', 'operator', 'publisher', 'admin'],
  operator: ['operator', 'admin'],
  publisher: ['publisher', 'admin'],
  admin: ['admin'],
};

let hub: RunningHub;
let operations: readonly Operation[];
/** What each caller shows as its token. */
const secrets = new Map<string, string | undefined>();
const record = { seen: new Set<string>(), faults: [] as string[] };
let api: RecordedApi;

beforeAll(async () => {
  const clock = new ManualClock(Date.now());
  hub = await RunningHub.start({ clock });
  operations = describedOperations(await requestDescription(hub));
  const make = async (role: string, ttlMs?: number) =>
    (await hub.client.post('/tokens', { name: `of-${role}-${ttlMs ?? 0}`, role, ttlMs })) as {
      secret: string;
    };
  const { secret: expired } = await make('admin', 1_000);
  await clock.advance(2_000);
  secrets.set('nobody', undefined).set('expired', expired);
  for (const role of ['viewer', 'operator', 'publisher', 'admin'])
    secrets.set(role, (await make(role)).secret);
  api = new RecordedApi(
    operations,
    { url: `https://127.0.0.1:${new URL(hub.url).port}`, ca: hub.ca },
    record,
  );
}, 60_000);
afterAll(() => hub?.stop());

it.each(Object.keys(letIn))(
  'an operation that asks for %s lets in its callers and refuses the others',
  async (role) => {
    const own = operations.filter((one) => (one.role ?? 'none') === role);
    expect(own.length).toBeGreaterThan(1);
    for (const [n, operation] of own.entries()) {
      for (const [m, [name, token]] of [...secrets].entries()) {
        // A body that no operation takes: nothing is changed by who is let in.
        const body =
          operation.method === 'GET'
            ? undefined
            : operation.body?.type.includes('octet')
              ? Buffer.from('x')
              : [];
        // Several addresses for each caller, because refusals are limited by address.
        const localAddress = `127.0.${m + 1}.${(n % 4) + 1}`;
        const path = operation.path.replaceAll(/\{\w+\}/g, 'x');
        const answer = await api.call(operation.method, path, { token, body, localAddress });
        const what = `${operation.operationId} by ${name}: ${answer.text.slice(0, 200)}`;
        const wanted = letIn[role]!.includes(name)
          ? 'let in'
          : name === 'nobody' || name === 'expired'
            ? 401
            : 403;
        const got = answer.status === 401 || answer.status === 403 ? answer.status : 'let in';
        expect(got, what).toBe(wanted);
        expect(record.faults, what).toEqual([]);
      }
    }
  },
  60_000,
);
