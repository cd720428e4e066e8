/** `modelfleet rollout`: bring a version to devices in phases, follow it, and step in. */
import { Command, Option } from 'commander';
import type { GateRules, PhaseSize, RolloutPlan, RolloutRequest } from '../../shared/api/rollout-plan.ts';
import { deviceStatuses, type Rollout } from '../../shared/api/rollouts.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import { addYesFlag, confirm } from '../confirm.ts';
import type { CliContext, HubClient } from '../context.ts';
import { countText } from '../count-text.ts';
import { duration, pointInTime, wholeNumber } from '../flag-values.ts';
import { addPageFlags, type PageFlags, showList } from '../paged-list.ts';
import { parseRolloutDevices, parseRollouts, parseStatus, rolloutPath } from './rollout-answers.ts';
import { rolloutColumns, rolloutDeviceColumns, rolloutText } from './rollout-text.ts';
import { watchCodesText, watchRollout } from './rollout-watch.ts';

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
  readonly drift?: GateRules['drift'];
  readonly maxDriftShare?: string;
  readonly trial?: string;
  readonly trialMinRequests?: string;
  readonly trialMaxErrorRate?: string;
  readonly trialMaxCrashes?: string;
  readonly breaking?: boolean;
  readonly onFailure?: RolloutPlan['onFailure'];
  readonly startAt?: string;
}

export function rolloutCommand(context: CliContext): Command {
  const rollout = new Command('rollout').description('bring a version to devices in phases');
  addCreate(rollout, context);
  const listing = rollout
    .command('list')
    .description('list rollouts, newest first')
    .option('--model <NAME>', 'only those of a model')
    .option('--group <NAME>', 'only those to a group')
    .option('--status <STATUS>', 'only those that are scheduled, running, paused, completed, aborted, …');
  addPageFlags(listing).action((flags: ListFlags) => list(flags, context));
  rollout
    .command('status')
    .description('show phases, devices, verdicts and faults')
    .argument('[id]', 'default: the newest rollout')
    .option('--watch', 'show it again with every change, until it has ended or is paused')
    .option('--give-up <DURATION>', 'end the watch when the hub does not answer for so long', '15m')
    .addHelpText('after', watchCodesText)
    .action(async (id: string | undefined, flags: { watch?: boolean; giveUp: string }) => {
      const giveUpMs = duration(flags.giveUp, '--give-up');
      const hub = await context.hub();
      let wanted = id;
      const fetchStatus = async () => {
        wanted ??= await newestId(hub);
        return parseStatus(await hub.get(rolloutPath(wanted)));
      };
      if (!flags.watch) return show(await fetchStatus(), context);
      context.endWith(
        await watchRollout({
          fetchStatus,
          show: (status) => show(status, context),
          printer: context.printer(),
          giveUpMs,
        }),
      );
    });
  addDevices(rollout, context);
  addAction(
    rollout,
    context,
    'pause',
    'stop offering, and withdraw the offers that devices have not switched to',
  );
  addAction(rollout, context, 'resume', 'go on; gates are judged anew');
  addYesFlag(
    addAction(rollout, context, 'abort', 'end it; its devices go back to the version before'),
  ).option('--keep', 'leave the version on the devices that took it');
  addYesFlag(
    addAction(rollout, context, 'rollback', 'revert the version on every device, also after the end'),
  );
  return rollout;
}

interface ListFlags extends PageFlags {
  readonly model?: string;
  readonly group?: string;
  readonly status?: string;
}

function list({ model, group, status, ...flags }: ListFlags, context: CliContext): Promise<void> {
  const parse = (answer: unknown) => {
    const { rollouts, next } = parseRollouts(answer);
    return { rows: rollouts, next };
  };
  const request = { path: '/rollouts', query: { model, group, status }, flags, parse };
  return showList(context, request, (printer, rows) => printer.table(rows, rolloutColumns));
}

function addDevices(rollout: Command, context: CliContext): void {
  const command = rollout
    .command('devices')
    .description('list the devices of a rollout, in its order')
    .argument('<id>')
    .addOption(new Option('--status <STATUS>', 'only those in this status now').choices(deviceStatuses));
  addPageFlags(command).action(
    (id: string, { status, ...flags }: PageFlags & { readonly status?: string }) => {
      const parse = (answer: unknown) => {
        const { devices: rows, next } = parseRolloutDevices(answer);
        return { rows, next };
      };
      const request = { path: `${rolloutPath(id)}/devices`, query: { status }, flags, parse };
      return showList(context, request, (printer, rows) =>
        printer.table(rows, rolloutDeviceColumns(Date.now())),
      );
    },
  );
}

function addCreate(rollout: Command, context: CliContext): void {
  rollout
    .command('create')
    .description('create a rollout and start it')
    .requiredOption('--model <NAME>', 'model')
    .requiredOption('--version <VERSION>', 'version to bring to the devices')
    .requiredOption(
      '--phases <LIST>',
      'cumulative numbers of devices or shares of the target, such as 1dev,10%,50%,100%',
    )
    .option('--group <NAME>', 'devices of this group (default: every device)')
    .option(
      '--soak <DURATION>',
      'how long each phase is watched after its last device is done (default: 10m)',
    )
    .option(
      '--silence <DURATION>',
      'a device that sends nothing for this long counts as silent (default: 30m)',
    )
    .option('--device-timeout <DURATION>', 'time a device has from the offer (default: 6h)')
    .option(
      '--phase-timeout <DURATION>',
      'a phase that has not passed its gates by then is paused (default: 1d)',
    )
    .option('--max-failures <SHARE>', 'failed devices among the completed, such as 5% (default: 5%)')
    .option('--min-completed <N>', 'completed devices from which failures are judged before a phase ends')
    .option('--max-silent <SHARE>', 'silent devices in a phase (default: 50%)')
    .option('--max-unproven <SHARE>', 'devices in a phase that saw too few requests (default: 0%)')
    .option(
      '--max-error-rate <SHARE>',
      'failed requests to the version, as the mean over devices (default: no limit)',
    )
    .option('--min-requests <N>', 'requests the error rate needs (default: 100)')
    .addOption(
      new Option('--drift <ACTION>', 'what drift of the inputs does (default: ignore)').choices([
        'hold',
        'roll-back',
        'ignore',
      ]),
    )
    .option('--max-drift-share <SHARE>', 'share of features that may drift (default: 0%)')
    .option('--trial <DURATION>', 'how long a device tries the version before it keeps it (default: 10m)')
    .option('--trial-min-requests <N>', 'requests a device waits for; 0: time alone decides (default: 20)')
    .option('--trial-max-error-rate <SHARE>', 'failed requests at which a device goes back (default: 10%)')
    .option('--trial-max-crashes <N>', 'crashes a device allows in its trial (default: 1)')
    .option('--breaking', 'roll out although the new interface breaks clients of the versions that run now')
    .addOption(
      new Option('--on-failure <ACTION>', 'what a verdict of roll-back does (default: roll-back)').choices([
        'roll-back',
        'pause',
      ]),
    )
    .option('--start-at <TIME>', 'start not before this time, such as 2027-01-31T06:00:00Z')
    .action(async (flags: CreateFlags) => {
      const body = requestOf(flags);
      const status = parseStatus(await (await context.hub()).post('/rollouts', body));
      for (const warning of status.warnings ?? []) context.printer().note(`Note: ${warning}`);
      show(status, context);
    });
}

function addAction(rollout: Command, context: CliContext, action: string, description: string): Command {
  return rollout
    .command(action)
    .description(description)
    .argument('<id>')
    .option('--reason <TEXT>', 'for the audit log')
    .action(async (id: string, { yes, ...flags }: ActionFlags) => {
      const hub = await context.hub();
      const effect = ownValue(undone, action);
      if (effect) {
        await confirm({
          yes,
          action: `${action} rollout ${id}`,
          preview: async () => {
            const status = parseStatus(await hub.get(rolloutPath(id)));
            return [
              `${status.model}@${status.version} for group "${status.group ?? '(all)'}", ${status.status}, ${countText(status.target, 'device')}.`,
              flags.keep ? 'It ends, and devices keep the version they have.' : effect,
            ];
          },
        });
      }
      show(parseStatus(await hub.post(`${rolloutPath(id)}/${action}`, { ...flags })), context);
    });
}

interface ActionFlags {
  readonly reason?: string;
  readonly keep?: boolean;
  readonly yes?: boolean;
}

/** What cannot be undone by another action. */
const undone: Readonly<Record<string, string>> = {
  abort: 'It ends for good, and its devices go back to the version before.',
  rollback: 'It ends for good, and every device that has the version goes back to the one before.',
};

/** The request that the flags ask for; what is not given is left to the hub's defaults. */
export function requestOf(flags: CreateFlags): RolloutRequest {
  return {
    model: flags.model,
    version: flags.version,
    group: flags.group,
    phases: parsePhases(flags.phases),
    soakMs: optionalDuration(flags.soak, '--soak'),
    silenceMs: optionalDuration(flags.silence, '--silence'),
    deviceTimeoutMs: optionalDuration(flags.deviceTimeout, '--device-timeout'),
    phaseTimeoutMs: optionalDuration(flags.phaseTimeout, '--phase-timeout'),
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
      seconds: flags.trial === undefined ? undefined : duration(flags.trial, '--trial') / 1_000,
      minRequests: parseCount(flags.trialMinRequests, '--trial-min-requests'),
      maxErrorRate: parseShare(flags.trialMaxErrorRate, '--trial-max-error-rate'),
      maxCrashes: parseCount(flags.trialMaxCrashes, '--trial-max-crashes'),
    }),
    breaking: flags.breaking,
    onFailure: flags.onFailure,
    startAt: flags.startAt === undefined ? undefined : pointInTime(flags.startAt, '--start-at'),
  };
}

function parsePhases(text: string): PhaseSize[] {
  return text.split(',').map((part) => {
    const match = /^(\d{1,7}(?:\.\d{1,6})?)(%|dev|d)?$/.exec(part.trim());
    const [, amount, unit] = match ?? [];
    if (amount !== undefined && unit === 'dev' && !amount.includes('.')) return { devices: Number(amount) };
    if (amount !== undefined && (unit === '%' || unit === undefined)) return { percent: Number(amount) };
    const hint =
      unit === 'd' ? ` A number of devices is written "${Number(amount)}dev"; "d" means days.` : '';
    throw new AppError(
      'bad_usage',
      `Cannot read --phases "${text}": expected shares of the target and numbers of devices, such as 1dev,50%,100%.${hint}`,
    );
  });
}

/** `5%` or `0.05`. A bare number above 1 is refused, because it could mean either. */
function parseShare(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  const match = /^(\d{1,3}(?:\.\d{1,9})?)(%)?$/.exec(text);
  const share = match ? Number(match[1]) / (match[2] ? 100 : 1) : Number.NaN;
  if (share >= 0 && share <= 1) return share;
  throw new AppError('bad_usage', `Cannot read ${flag} "${text}": expected a share such as 5% or 0.05.`);
}

function parseCount(text: string | undefined, flag: string): number | undefined {
  return text === undefined ? undefined : wholeNumber(text, flag, { min: 0, max: 999_999_999 });
}

function optionalDuration(text: string | undefined, flag: string): number | undefined {
  return text === undefined ? undefined : duration(text, flag);
}

function given<T extends object>(values: T): T | undefined {
  return Object.values(values).some((value) => value !== undefined) ? values : undefined;
}

async function newestId(hub: HubClient): Promise<string> {
  const [newest] = parseRollouts(await hub.get('/rollouts', { limit: 1 })).rollouts;
  if (newest) return newest.id;
  throw new AppError('not_found', 'Cannot show the newest rollout: no rollout exists yet.');
}

function show(status: Rollout, context: CliContext): void {
  context.printer().result(status, () => rolloutText(status, Date.now()), status.id);
}
