/** `modelfleet rollout`: bring a version to devices in phases, look on, and step in. */
import { setTimeout as wait } from 'node:timers/promises';
import { Command } from 'commander';
import { Type } from 'typebox';
import { AppError } from '../../shared/base/app-error.ts';
import { parseDuration } from '../../shared/base/duration.ts';
import { parser } from '../../shared/base/parse.ts';
import type { CliContext, HubClient } from '../context.ts';
import { wholeNumber } from '../flag-values.ts';
import { type RolloutStatus, rolloutColumns, rolloutText } from './rollout-text.ts';

const row = {
  id: Type.String(),
  model: Type.String(),
  version: Type.String(),
  group: Type.Optional(Type.String()),
  status: Type.String(),
  reason: Type.Optional(Type.String()),
  phase: Type.Integer(),
  phases: Type.Integer(),
  createdAt: Type.Integer(),
  createdBy: Type.String(),
};
const parseList = parser(Type.Object({ rollouts: Type.Array(Type.Object(row)) }), 'answer of the hub');
const parseStatus = parser(
  Type.Object({
    ...row,
    target: Type.Integer(),
    warnings: Type.Optional(Type.Array(Type.String())),
    phaseList: Type.Array(
      Type.Object({ size: Type.String(), devices: Type.Integer(), state: Type.String() }),
    ),
    counts: Type.Record(Type.String(), Type.Integer()),
    back: Type.Optional(Type.Record(Type.String(), Type.Integer())),
    devices: Type.Array(
      Type.Object({
        device: Type.String(),
        status: Type.String(),
        phase: Type.Integer(),
        since: Type.Integer(),
        previousVersion: Type.Optional(Type.String()),
        back: Type.Optional(Type.String()),
        fault: Type.Optional(Type.Object({ code: Type.String(), message: Type.String() })),
      }),
    ),
    verdicts: Type.Array(
      Type.Object({
        at: Type.Integer(),
        phase: Type.Integer(),
        verdict: Type.String(),
        reasons: Type.Array(
          Type.Object({ code: Type.String(), verdict: Type.String(), text: Type.String() }),
        ),
      }),
    ),
  }),
  'answer of the hub',
);

const WATCH_MS = 1_000;
const ended: ReadonlySet<string> = new Set(['completed', 'aborted', 'rolled-back']);

interface CreateFlags {
  readonly model: string;
  readonly version: string;
  readonly phases: string;
  readonly group?: string;
  readonly soak?: string;
  readonly silence?: string;
  readonly deviceTimeout?: string;
  readonly phaseTimeout?: string;
  readonly maxFailures?: string;
  readonly minCompleted?: string;
  readonly maxSilent?: string;
  readonly maxUnproven?: string;
  readonly maxErrorRate?: string;
  readonly minRequests?: string;
  readonly drift?: string;
  readonly maxDriftShare?: string;
  readonly trial?: string;
  readonly trialMinRequests?: string;
  readonly trialMaxErrorRate?: string;
  readonly trialMaxCrashes?: string;
  readonly breaking?: boolean;
  readonly onFailure?: string;
  readonly startAt?: string;
}

export function rolloutCommand(context: CliContext): Command {
  const rollout = new Command('rollout').description('bring a version to devices in phases');
  addCreate(rollout, context);
  rollout
    .command('list')
    .description('list rollouts, newest first')
    .action(async () => {
      const { rollouts } = parseList(await (await context.hub()).get('/rollouts'));
      const printer = context.printer();
      printer.result(rollouts, () => printer.table(rollouts, rolloutColumns));
    });
  rollout
    .command('status')
    .description('show phases, devices, verdicts and faults')
    .argument('[id]', 'default: the newest rollout')
    .option('--watch', 'show it again with every change, until it has ended or is paused')
    .action(async (id: string | undefined, flags: { watch?: boolean }) => {
      const hub = await context.hub();
      const wanted = id ?? (await newestId(hub));
      if (flags.watch) await watch(hub, wanted, context);
      else show(parseStatus(await hub.get(pathOf(wanted))), context);
    });
  addAct(rollout, context, 'pause', 'stop offering, and take back what devices have not switched to');
  addAct(rollout, context, 'resume', 'go on; gates are judged anew');
  addAct(rollout, context, 'abort', 'end it; its devices go back to the version before').option(
    '--keep',
    'leave the version on the devices that took it',
  );
  addAct(rollout, context, 'rollback', 'take the version back from every device, also after the end');
  return rollout;
}

function addCreate(rollout: Command, context: CliContext): void {
  rollout
    .command('create')
    .description('create a rollout and start it')
    .requiredOption('--model <NAME>', 'model')
    .requiredOption('--version <VERSION>', 'version to bring to the devices')
    .requiredOption('--phases <LIST>', 'cumulative: percentages, or devices with a d, such as 1d,10,50,100')
    .option('--group <NAME>', 'devices of this group (default: every device)')
    .option('--soak <DURATION>', 'watch each phase so long after its last device is done (default: 10m)')
    .option('--silence <DURATION>', 'without a sign of life for so long a device is silent (default: 30m)')
    .option('--device-timeout <DURATION>', 'time a device has from the offer (default: 6h)')
    .option('--phase-timeout <DURATION>', 'a phase that has not ended well by then is paused (default: 1d)')
    .option('--max-failures <SHARE>', 'failed devices among the completed, such as 5% (default: 5%)')
    .option('--min-completed <N>', 'completed devices from which failures are judged before a phase ends')
    .option('--max-silent <SHARE>', 'silent devices in a phase (default: 50%)')
    .option('--max-unproven <SHARE>', 'devices in a phase that saw too few requests (default: 0%)')
    .option('--max-error-rate <SHARE>', 'failed requests to the version (default: not asked)')
    .option('--min-requests <N>', 'requests the error rate needs (default: 100)')
    .option('--drift <ACTION>', 'what drift of the inputs does: hold, roll-back or ignore (default: ignore)')
    .option('--max-drift-share <SHARE>', 'share of features that may drift (default: 0%)')
    .option('--trial <DURATION>', 'how long a device tries the version before it keeps it (default: 10m)')
    .option('--trial-min-requests <N>', 'requests a device waits for; 0: time alone decides (default: 20)')
    .option('--trial-max-error-rate <SHARE>', 'failed requests at which a device goes back (default: 10%)')
    .option('--trial-max-crashes <N>', 'crashes a device allows in its trial (default: 1)')
    .option('--breaking', 'although the interface breaks clients of the versions that run now')
    .option('--on-failure <ACTION>', 'roll-back or pause (default: roll-back)')
    .option('--start-at <TIME>', 'start not before, RFC 3339')
    .action(async (flags: CreateFlags) => {
      const body = requestOf(flags);
      const status = parseStatus(await (await context.hub()).post('/rollouts', body));
      for (const warning of status.warnings ?? []) context.printer().note(`Note: ${warning}`);
      show(status, context);
    });
}

function addAct(rollout: Command, context: CliContext, act: string, description: string): Command {
  return rollout
    .command(act)
    .description(description)
    .argument('<id>')
    .option('--reason <TEXT>', 'for the audit log')
    .action(async (id: string, flags: { reason?: string; keep?: boolean }) => {
      const hub = await context.hub();
      show(parseStatus(await hub.post(`${pathOf(id)}/${act}`, { ...flags })), context);
    });
}

/** The request that the flags ask for; what is not given is left to the hub's defaults. */
export function requestOf(flags: CreateFlags): Record<string, unknown> {
  return {
    model: flags.model,
    version: flags.version,
    group: flags.group,
    phases: parsePhases(flags.phases),
    soakMs: duration(flags.soak, '--soak'),
    silenceMs: duration(flags.silence, '--silence'),
    deviceTimeoutMs: duration(flags.deviceTimeout, '--device-timeout'),
    phaseTimeoutMs: duration(flags.phaseTimeout, '--phase-timeout'),
    gates: given({
      maxFailures: parseShare(flags.maxFailures, '--max-failures'),
      minCompleted: parseCount(flags.minCompleted, '--min-completed'),
      maxSilent: parseShare(flags.maxSilent, '--max-silent'),
      maxUnproven: parseShare(flags.maxUnproven, '--max-unproven'),
      maxErrorRate: parseShare(flags.maxErrorRate, '--max-error-rate'),
      minRequests: parseCount(flags.minRequests, '--min-requests'),
      drift: flags.drift,
      maxDriftShare: parseShare(flags.maxDriftShare, '--max-drift-share'),
    }),
    trial: given({
      seconds: flags.trial === undefined ? undefined : parseDuration(flags.trial, '--trial') / 1_000,
      minRequests: parseCount(flags.trialMinRequests, '--trial-min-requests'),
      maxErrorRate: parseShare(flags.trialMaxErrorRate, '--trial-max-error-rate'),
      maxCrashes: parseCount(flags.trialMaxCrashes, '--trial-max-crashes'),
    }),
    breaking: flags.breaking,
    onFailure: flags.onFailure,
    startAt: flags.startAt === undefined ? undefined : parseTime(flags.startAt),
  };
}

function parsePhases(text: string): readonly unknown[] {
  return text.split(',').map((part) => {
    const match = /^(\d{1,7}(?:\.\d{1,6})?)(%|d)?$/.exec(part.trim());
    if (!match || (match[2] === 'd' && match[1]!.includes('.'))) {
      throw new AppError(
        'bad_input',
        `Cannot read --phases "${text}": wanted percentages such as 10,50,100, or numbers of devices such as 1d,10d,100.`,
      );
    }
    return match[2] === 'd' ? { devices: Number(match[1]) } : { percent: Number(match[1]) };
  });
}

/** `5%` or `0.05`. A bare number above 1 is refused, because it could mean either. */
function parseShare(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d{1,3}(?:\.\d{1,9})?)(%)?$/.exec(text);
  const share = match ? Number(match[1]) / (match[2] ? 100 : 1) : Number.NaN;
  if (share >= 0 && share <= 1) return share;
  throw new AppError('bad_input', `Cannot read ${flag} "${text}": wanted a share such as 5% or 0.05.`);
}

function parseCount(text: string | undefined, flag: string): number | undefined {
  return text === undefined ? undefined : wholeNumber(text, flag, { min: 0, max: 999_999_999 });
}

function parseTime(text: string): number {
  const at = Date.parse(text);
  if (!Number.isNaN(at)) return at;
  throw new AppError(
    'bad_input',
    `Cannot read --start-at "${text}": wanted a time such as 2027-01-31T06:00:00Z.`,
  );
}

function duration(text: string | undefined, flag: string): number | undefined {
  return text === undefined ? undefined : parseDuration(text, flag);
}

function given<T extends object>(values: T): T | undefined {
  return Object.values(values).some((value) => value !== undefined) ? values : undefined;
}

async function newestId(hub: HubClient): Promise<string> {
  const [newest] = parseList(await hub.get('/rollouts', { limit: 1 })).rollouts;
  if (newest) return newest.id;
  throw new AppError('not_found', 'Cannot show the newest rollout: there is none yet.');
}

/** Prints every change (one JSON line each with `--json`) until the rollout has ended or waits for a person. */
async function watch(hub: HubClient, id: string, context: CliContext): Promise<void> {
  for (let shown = ''; ; ) {
    const status = parseStatus(await hub.get(pathOf(id)));
    const now = changesOf(status);
    if (now !== shown) {
      if (shown !== '' && !context.printer().json) context.printer().note('');
      show(status, context);
    }
    shown = now;
    if (ended.has(status.status) || status.status === 'paused') return;
    await wait(WATCH_MS);
  }
}

function changesOf({ status, phase, counts, back, devices, verdicts }: RolloutStatus): string {
  return JSON.stringify({ status, phase, counts, back, devices, last: verdicts[0] });
}

function show(status: RolloutStatus, context: CliContext): void {
  context.printer().result(status, () => rolloutText(status, Date.now()));
}

/** Throws `bad_input` for what is no id of a rollout. */
function pathOf(id: string): string {
  if (/^r-[0-9a-f]{8,32}$/.test(id)) return `/rollouts/${id}`;
  throw new AppError(
    'bad_input',
    `Cannot find rollout "${id}": wanted an id such as r-0011223344aa, as "modelfleet rollout list" shows it.`,
  );
}
