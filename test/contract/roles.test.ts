/** Every operation of the API by every role, as the hub's own description lists them. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { requestDescription } from '../openapi/fetch-description.ts';
import { ApiCaller, nonconformities } from '../support/api-caller.ts';
import { describedOperations, type Operation } from '../support/described-api.ts';
import { ManualClock } from '../support/manual-clock.ts';
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
const callers = new Map<string, readonly ApiCaller[]>();

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
  const secrets = new Map<string, string | undefined>([
    ['nobody', undefined],
    ['expired', expired],
  ]);
  for (const role of ['viewer', 'operator', 'publisher', 'admin'])
    secrets.set(role, (await make(role)).secret);
  // Several addresses for each caller, because refusals are limited by address.
  for (const [n, [name, secret]] of [...secrets].entries()) {
    const addresses = Array.from({ length: 4 }, (_, m) => `127.0.${n + 1}.${m + 1}`);
    callers.set(
      name,
      addresses.map((address) => new ApiCaller(hub, secret, address)),
    );
  }
}, 60_000);
afterAll(async () => {
  for (const caller of [...callers.values()].flat()) await caller.close();
  await hub?.stop();
});

it.each(Object.keys(letIn))(
  'an operation that asks for %s lets in its callers and refuses the others',
  async (role) => {
    const own = operations.filter((one) => (one.role ?? 'none') === role);
    expect(own.length).toBeGreaterThan(1);
    for (const [n, operation] of own.entries()) {
      for (const [name, of] of callers) {
        // A body that no operation takes: nothing is changed by who is let in.
        const body =
          operation.method === 'GET'
            ? undefined
            : operation.body?.type.includes('octet')
              ? Buffer.from('x')
              : [];
        const answer = await of[n % of.length]!.call(operation, body);
        const what = `${operation.operationId} by ${name}: ${answer.text.slice(0, 200)}`;
        const wanted = letIn[role]!.includes(name)
          ? 'let in'
          : name === 'nobody' || name === 'expired'
            ? 401
            : 403;
        const got = answer.status === 401 || answer.status === 403 ? answer.status : 'let in';
        expect(got, what).toBe(wanted);
        expect(nonconformities(operation, answer), what).toEqual([]);
      }
    }
  },
  60_000,
);
