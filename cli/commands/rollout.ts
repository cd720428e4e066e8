/** `modelfleet rollout`: bring a version to devices in phases, follow it, and step in. */
import { Command, Option } from 'commander';
import type { GateRules, PhaseSize, RolloutPlan, RolloutRequest } from '../../shared/api/rollout-plan.ts';
import { deviceStatuses, type Rollout, rolloutStatuses } from '../../shared/api/rollouts.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import { addYesFlag, confirm } from '../confirm.ts';
import type { CliContext, HubClient } from '../context.ts';
import { countText } from '../count-text.ts';
import { duration, pointInTime, share, wholeNumber } from '../flag-values.ts';
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
  const rollout = new Command('rollout').description(
    'install a version on devices in phases, each judged by gates',
  );
  addCreate(rollout, context);
  const listing = rollout
    .command('list')
    .description('list rollouts, newest first')
    .option('--model <NAME>', 'only rollouts of this model')
    .option('--group <NAME>', 'only rollouts to this group')
    .addOption(new Option('--status <STATUS>', 'only rollouts in this status').choices(rolloutStatuses));
  addPageFlags(listing, ['-createdAt']).action((flags: ListFlags) => list(flags, context));
  rollout
    .command('status')
    .description('show phases, devices, verdicts of gates, and errors')
    .argument('[id]', 'id of the rollout (default: the newest)')
    .option('--watch', 'show it again after each change, until it has ended or is paused')
    .option('--give-up <DURATION>', 'time without an answer of the hub after which --watch ends', '15m')
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
    'offer the version to no more devices, and withdraw offers; devices that switched keep it',
  );
  addAction(rollout, context, 'resume', 'continue a paused rollout; its gates are evaluated anew');
  addYesFlag(
    addAction(
      rollout,
      context,
      'abort',
      'end a rollout before it completes; its devices go back to the version before',
    ),
  ).option('--keep', 'leave the version on the devices that have it');
  addYesFlag(
    addAction(
      rollout,
      context,
      'rollback',
      'make the devices of a rollout go back to the version before, also after it has ended',
    ),
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
    .description('list the devices of a rollout, in the order of its offers')
    .argument('<id>', 'id of the rollout')
    .addOption(new Option('--status <STATUS>', 'only devices in this status').choices(deviceStatuses));
  addPageFlags(command, ['ordinal']).action(
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
    .requiredOption('--model <NAME>', 'name of the model')
    .requiredOption('--version <VERSION>', 'published version to install')
    .requiredOption(
      '--phases <LIST>',
      'devices that have the version at the end of each phase: shares of all (10% or 10) or numbers (1dev); the last is 100%',
    )
    .option('--group <NAME>', 'only devices of this group (default: every device)')
    .option(
      '--soak <DURATION>',
      'time to observe a phase after the last of its devices has kept the version, failed or run out of time (default: 10m)',
    )
    .option(
      '--silence <DURATION>',
      'time without a message after which a device that is not connected counts as silent (default: 30m)',
    )
    .option(
      '--device-timeout <DURATION>',
      'time for a device from the offer to the end of its trial; a device that takes longer counts as timed-out, which is a failure, or as blocked or unproven (default: 6h)',
    )
    .option(
      '--phase-timeout <DURATION>',
      'time for a phase to pass its gates; after it the rollout is paused (default: 1d)',
    )
    .option(
      '--max-failures <SHARE>',
      'highest share of failed devices among those that succeeded or failed (default: 5%)',
    )
    .option(
      '--min-completed <N>',
      'number of devices that must succeed or fail for a phase to pass, or all of a smaller phase; with so many, --max-failures is judged before all have finished (default: 2, judged when all have finished)',
    )
    .option(
      '--max-silent <SHARE>',
      'highest share of silent or blocked devices in a phase; blocked: without disk space, files or the hub (default: 50%)',
    )
    .option(
      '--max-unproven <SHARE>',
      'highest share of unproven devices in a phase: their trials had too few requests (default: 0%)',
    )
    .option(
      '--max-error-rate <SHARE>',
      'highest share of failed requests to the version, as the mean over devices (default: no limit)',
    )
    .option('--min-requests <N>', 'number of requests needed to judge --max-error-rate (default: 100)')
    .addOption(
      new Option(
        '--drift <ACTION>',
        'effect of drift of inputs or outputs; hold pauses the rollout (default: ignore)',
      ).choices(['hold', 'roll-back', 'ignore']),
    )
    .option('--max-drift-share <SHARE>', 'highest share of features that may drift (default: 0%)')
    .option(
      '--trial <DURATION>',
      'time that a device serves the version on trial before it keeps it (default: 10m)',
    )
    .option(
      '--trial-min-requests <N>',
      'number of requests that a device needs to keep the version; 0: time alone decides (default: 20)',
    )
    .option(
      '--trial-max-error-rate <SHARE>',
      'highest share of failed requests on a device; above it the device goes back (default: 10%)',
    )
    .option(
      '--trial-max-crashes <N>',
      'highest number of crashes on a device; above it the device goes back (default: 1)',
    )
    .option(
      '--breaking',
      'allow a version whose changed inputs or outputs break clients of those that run now',
    )
    .addOption(
      new Option(
        '--on-failure <ACTION>',
        'effect when a gate decides to roll back: roll-back ends the rollout and reverts its devices; pause waits for you (default: roll-back)',
      ).choices(['roll-back', 'pause']),
    )
    .option('--start-at <TIME>', 'earliest start, such as 2027-01-31T06:00:00Z (default: now)')
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
    .argument('<id>', 'id of the rollout')
    .option('--reason <TEXT>', 'reason, for the audit log')
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

function parseShare(text: string | undefined, flag: string): number | undefined {
  return text === undefined ? undefined : share(text, flag);
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
