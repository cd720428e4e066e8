import { describe, expect, it } from 'vitest';
import { requestOf, rolloutCommand } from '../../../../cli/commands/rollout.ts';
import { rolloutText } from '../../../../cli/commands/rollout-text.ts';
import type { CliContext, HubClient } from '../../../../cli/context.ts';
import type { Rollout } from '../../../../shared/api/rollouts.ts';
import { rolloutAnswer } from '../../../support/api-answers.ts';

const flags = { model: 'air-quality', version: '2.0.0', phases: '1dev,10,50%,100%' };
const now = 1_700_000_000_000;
const status = rolloutAnswer({
  group: 'default',
  phase: 2,
  phases: 2,
  createdAt: now,
  target: 6,
  phaseList: [
    { size: '1 device', devices: 1, state: 'done' },
    { size: '100 %', devices: 6, state: 'current' },
  ],
  counts: { succeeded: 3, 'rolled-back': 1, trial: 2 },
  devices: [
    {
      device: 'sensor-3',
      status: 'rolled-back',
      phase: 2,
      since: now - 65_000,
      fault: { code: 'trial_error_rate', message: 'bad\u001b[2J', retry: 'never' },
    },
    { device: 'sensor-4', status: 'trial', phase: 2, since: now },
  ],
  verdicts: [
    {
      at: now - 5_000,
      phase: 2,
      verdict: 'inconclusive',
      reasons: [
        { code: 'devices_under_way', verdict: 'inconclusive', text: '2 of 6 devices not finished yet' },
      ],
    },
  ],
});

it('says why the hub cannot advance a rollout, and which devices could not be told', () => {
  const lines = rolloutText(
    {
      ...status,
      trouble: { since: now - 60_000, code: 'disk_full', message: 'the disk is full' },
      revert: { 'not-sent': 1 },
      devices: [{ device: 'b', status: 'succeeded', revert: 'not-sent', since: now }],
    },
    now,
  );
  expect(lines).toContain('trouble  the hub cannot advance it (first 1m ago): the disk is full');
  expect(lines).toContain('revert   1 not-sent');
  expect(lines.at(-1)).toMatch(/^b {2}succeeded .* could not be sent the rollback$/);
});

it('says that the hub names only some of the devices', () => {
  const last = rolloutText({ ...status, leftOut: { devices: 7, olderVerdicts: false } }, now).at(-1);
  expect(last).toMatch(/^The hub names \d+ devices, faults first, and 7 more are counted above\.$/);
});

/** Runs `modelfleet rollout …` against canned answers; returns what was asked and what was printed. */
async function run(args: readonly string[], answers: Record<string, unknown>, json = false) {
  const asked: [string, unknown][] = [];
  const printed: unknown[] = [];
  const exitCodes: number[] = [];
  const answer = async (method: string, path: string, body: unknown) => {
    asked.push([`${method} ${path}`, body]);
    return answers[`${method} ${path}`];
  };
  const hub = {
    get: (path: string, query?: unknown) => answer('GET', path, query),
    post: (path: string, body?: unknown) => answer('POST', path, body),
  } as unknown as HubClient;
  const context: CliContext = {
    hub: async () => hub,
    printer: () => ({
      isData: json,
      isQuiet: json,
      result: (value, text) => printed.push(json ? value : [text()].flat().join('\n')),
      table: (rows) => [`${rows.length} rows`],
      note: () => undefined,
      progress: () => ({ bytes: () => undefined, step: () => undefined, end: () => undefined }),
      more: () => undefined,
    }),
    flags: () => ({}),
    endWith: (code) => exitCodes.push(code),
  };
  await rolloutCommand(context).exitOverride().parseAsync(args, { from: 'user' });
  return { asked, printed, exitCodes };
}

describe('requestOf()', () => {
  it('leaves what is not given to the hub', () => {
    expect(JSON.parse(JSON.stringify(requestOf(flags)))).toEqual({
      model: 'air-quality',
      version: '2.0.0',
      phases: [{ devices: 1 }, { percent: 10 }, { percent: 50 }, { percent: 100 }],
    });
  });

  it('turns shares and durations into numbers', () => {
    const request = requestOf({
      ...flags,
      soak: '10m',
      maxFailures: '5%',
      maxErrorRate: '0.02',
      minCompleted: '3',
      drift: 'hold',
      trial: '90s',
    });
    expect(request).toMatchObject({
      soakMs: 600_000,
      gates: { maxFailures: 0.05, maxErrorRate: 0.02, minCompleted: 3, drift: 'hold' },
      trial: { seconds: 90 },
    });
  });

  it('passes on what silence and a change of interface may do', () => {
    const asked = { trialMinRequests: '0', maxUnproven: '50%', breaking: true };
    expect(requestOf({ ...flags, ...asked })).toMatchObject({
      trial: { minRequests: 0 },
      gates: { maxUnproven: 0.5 },
      breaking: true,
    });
  });

  it.each([
    [{ phases: '10,,100' }, '--phases'],
    [{ phases: '1.5dev,100%' }, '--phases'],
    [{ phases: '1dev%' }, '--phases'],
    [{ phases: '-1' }, '--phases'],
    [{ maxFailures: '5' }, '--max-failures'],
    [{ maxFailures: '101%' }, '--max-failures'],
    [{ minCompleted: '1.5' }, '--min-completed'],
    [{ soak: 'soon' }, '--soak'],
    [{ startAt: 'tomorrow' }, '--start-at'],
    [{ startAt: '5' }, '--start-at'],
    [{ startAt: '2027-01-31T06:00:00' }, '--start-at'],
  ])('refuses %j and names the flag', (part, flag) => {
    expect(() => requestOf({ ...flags, ...part })).toThrow(
      expect.objectContaining({ code: 'bad_usage', message: expect.stringContaining(flag) }),
    );
  });
});

it('refuses the unit of days in --phases and names the unit of devices', () => {
  expect(() => requestOf({ ...flags, phases: '2d,100%' })).toThrow(
    /Cannot read --phases "2d,100%".*1dev,50%,100%.*written "2dev"; "d" means days/,
  );
});

describe('modelfleet rollout', () => {
  it('shows the newest rollout when none is named', async () => {
    const { asked, printed } = await run(['status'], {
      'GET /rollouts': { rollouts: [status] },
      'GET /rollouts/r-0011223344aa': status,
    });
    expect(asked.map(([path]) => path)).toEqual(['GET /rollouts', 'GET /rollouts/r-0011223344aa']);
    expect(printed[0]).toContain('r-0011223344aa  air-quality@2.0.0 to group default (6 devices)');
  });

  it('says so when there is no rollout', async () => {
    await expect(run(['status'], { 'GET /rollouts': { rollouts: [] } })).rejects.toMatchObject({
      code: 'not_found',
    });
  });

  it.each([
    ['completed', 0],
    ['aborted', 3],
    ['rolled-back', 4],
    ['paused', 5],
  ])('watches until the rollout is %s and ends with %d', async (end, code) => {
    const { printed, exitCodes } = await run(
      ['status', status.id, '--watch'],
      { 'GET /rollouts/r-0011223344aa': { ...status, status: end } },
      true,
    );
    expect(printed).toHaveLength(1);
    expect(exitCodes).toEqual([code]);
  });

  it('shows an aborted rollout without --watch like any other', async () => {
    const answers = { 'GET /rollouts/r-0011223344aa': { ...status, status: 'aborted' } };
    expect((await run(['status', status.id], answers)).exitCodes).toEqual([]);
  });

  it.each([
    [['pause', status.id], {}],
    [['resume', status.id], {}],
    [['abort', status.id, '--yes', '--keep', '--reason', 'enough'], { keep: true, reason: 'enough' }],
    [['rollback', status.id, '--yes'], {}],
  ])('sends %j', async (args, body) => {
    const path = `POST /rollouts/${status.id}/${args[0]}`;
    expect((await run(args, { [path]: status })).asked).toEqual([[path, body]]);
  });
});

describe('rolloutText()', () => {
  it('names the devices that are not back and why, and those that saw too few requests', () => {
    const device = { status: 'withdrawn', phase: 1, since: now } as const;
    const devices: Rollout['devices'] = [
      { ...device, device: 'a', revert: 'reverted' },
      { ...device, device: 'b', revert: 'no-target' },
      { ...device, device: 'c', revert: 'superseded' },
      { ...device, device: 'd', status: 'unproven' },
      // As a newer hub may answer.
      { ...device, device: 'e', revert: 'constructor' as 'removed' },
    ];
    const lines = [rolloutText({ ...status, devices }, now)].flat().join('\n').split('\n');
    expect(lines.slice(-3)).toEqual([
      expect.stringMatching(/^b {2}withdrawn .* has no version to go back to and keeps this one$/),
      expect.stringMatching(/^c {2}withdrawn .* is left to a later rollout$/),
      expect.stringMatching(/^d {2}unproven /),
    ]);
  });

  it('does not take a version that was withdrawn from a device for one that the device has left', () => {
    const devices: Rollout['devices'] = [
      { device: 'a', status: 'withdrawn', phase: 1, since: now - 90_000, revert: 'pending' },
      { device: 'b', status: 'withdrawn', phase: 1, since: now, revert: 'reverted' },
    ];
    const revert = { pending: 7, reverted: 1 };
    expect(
      rolloutText({ ...status, status: 'rolling-back', counts: { withdrawn: 8 }, revert, devices }, now),
    ).toContain('revert   1 reverted, 7 pending; pending: a (withdrawn for 1m 30s) and 6 more');
  });

  it('shows phases, counts, verdict with reasons, and each fault with its device', () => {
    expect(rolloutText(status, now)).toEqual([
      'r-0011223344aa  air-quality@2.0.0 to group default (6 devices)',
      'status   running',
      'phases   [x] 1 device (1)  [>] 100 % (6)',
      'devices  2 trial, 3 succeeded, 1 rolled-back',
      'waits    for sensor-4 (trial for 0ms) and 1 more',
      'verdict  inconclusive (phase 2, 5s ago)',
      '         - 2 of 6 devices not finished yet',
      '',
      'sensor-3  rolled-back 1m 5s ago: trial_error_rate: bad\u001b[2J',
    ]);
  });
});
