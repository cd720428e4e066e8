/** `modelfleet alerts`: what fires, who deals with it, what is silenced, and whether receivers can be reached. */
import { Command, Option } from 'commander';
import {
  Alert,
  AlertDeliveryPage,
  AlertPage,
  type AlertTestRequest,
  AlertTestResult,
  alertCodes,
  alertSeverities,
  Silence,
  SilencePage,
  type SilenceRequest,
} from '../../shared/api/alerts.ts';
import { exitCodes } from '../../shared/errors/failure.ts';
import { answerParser } from '../answer-parser.ts';
import type { CliContext } from '../context.ts';
import { duration } from '../flag-values.ts';
import { addPageFlags, type PageFlags, showList } from '../paged-list.ts';
import { timeText } from '../time-text.ts';

const parseAlert = answerParser(Alert);
const parseAlerts = answerParser(AlertPage);
const parseSilence = answerParser(Silence);
const parseSilences = answerParser(SilencePage);
const parseDeliveries = answerParser(AlertDeliveryPage);
const parseTest = answerParser(AlertTestResult);

const codeOption = () => new Option('--code <CODE>', 'only alerts of this rule').choices(alertCodes);

interface ListFlags extends PageFlags {
  readonly all?: boolean;
  readonly severity?: string;
  readonly code?: string;
  readonly subject?: string;
}

export function alertsCommand(context: CliContext): Command {
  const alerts = new Command('alerts').description('show, acknowledge and silence alerts');
  const listing = alerts
    .command('list')
    .description('list alerts that are not resolved, newest first')
    .option('--all', 'also those that were resolved')
    .addOption(new Option('--severity <SEVERITY>', 'only alerts of this severity').choices(alertSeverities))
    .addOption(codeOption())
    .option('--subject <SUBJECT>', 'only alerts of this model or receiver');
  addPageFlags(listing, ['-pendingAt']);
  listing.action(({ all, severity, code, subject, ...flags }: ListFlags) => {
    const query = { active: all ? undefined : 'true', severity, code, subject };
    const parse = (answer: unknown) => {
      const { alerts: rows, next } = parseAlerts(answer);
      return { rows, next };
    };
    return showList(context, { path: '/alerts', query, flags, parse }, (printer, rows) =>
      printer.table(rows, [
        { title: 'id', value: (row) => row.id },
        { title: 'severity', value: (row) => row.severity },
        { title: 'state', value: (row) => (row.silenced ? `${row.state}, silenced` : row.state) },
        { title: 'rule', value: (row) => row.code },
        { title: 'since', value: (row) => timeText(row.pendingAt) },
        { title: 'owner', value: (row) => row.owner, isWide: true },
        { title: 'summary', value: (row) => row.summary },
      ]),
    );
  });
  alerts
    .command('show')
    .description('show an alert: since when, who deals with it, and what to do')
    .argument('<id>', 'id of the alert')
    .action(async (id: string) => {
      const alert = parseAlert(await (await context.hub()).get(pathOf(id)));
      context.printer().result(alert, () => alertText(alert), id);
    });
  alerts
    .command('ack')
    .description('acknowledge an alert that is firing: a person deals with it')
    .argument('<id>', 'id of the alert')
    .action(async (id: string) => {
      const alert = parseAlert(await (await context.hub()).post(`${pathOf(id)}/acknowledge`));
      context.printer().result(alert, () => alertText(alert), id);
    });
  alerts.addCommand(silenceCommand(context));
  alerts.addCommand(deliveriesCommand(context));
  alerts
    .command('test')
    .description('send a test notification to receivers and show what they answered')
    .argument('[receiver]', 'name of the receiver (default: every receiver)')
    .action(async (receiver: string | undefined) => {
      const hub = await context.hub();
      const { receivers } = parseTest(
        await hub.post('/alerts/test', { receiver } satisfies AlertTestRequest),
      );
      const printer = context.printer();
      printer.result(receivers, () =>
        printer.table(receivers, [
          { title: 'receiver', value: (row) => row.receiver },
          { title: 'result', value: (row) => (row.delivered ? 'delivered' : `failed: ${row.fault}`) },
        ]),
      );
      if (receivers.length === 0) printer.note('The hub has no receivers: see its option --alert-receivers.');
      if (receivers.some(({ delivered }) => !delivered)) context.endWith(exitCodes.refused);
    });
  return alerts;
}

function silenceCommand(context: CliContext): Command {
  const silence = new Command('silence').description('create, list and end silences');
  silence
    .command('create')
    .description(
      'hold back notifications of matching alerts for a time; without --code and --subject, of all alerts',
    )
    .addOption(codeOption())
    .option('--subject <SUBJECT>', 'only alerts of this model or receiver')
    .requiredOption('--for <DURATION>', 'time until it ends, such as 2h or 1d')
    .requiredOption('--reason <TEXT>', 'why, for those who see it')
    .action(async ({ code, subject, reason, for: time }) => {
      const forMs = duration(time, '--for');
      const hub = await context.hub();
      const made = parseSilence(
        await hub.post('/alert-silences', { code, subject, reason, forMs } satisfies SilenceRequest),
      );
      const text = () => `Silence ${made.id} lasts until ${timeText(made.endsAt)}.`;
      context.printer().result(made, text, made.id);
    });
  const listing = silence
    .command('list')
    .description('list silences that have not ended, newest first')
    .option('--all', 'also those that have ended');
  addPageFlags(listing, ['-createdAt']);
  listing.action(({ all, ...flags }: PageFlags & { readonly all?: boolean }) => {
    const query = { active: all ? undefined : 'true' };
    const parse = (answer: unknown) => {
      const { silences: rows, next } = parseSilences(answer);
      return { rows, next };
    };
    return showList(context, { path: '/alert-silences', query, flags, parse }, (printer, rows) =>
      printer.table(rows, [
        { title: 'id', value: (row) => row.id },
        { title: 'rule', value: (row) => row.code ?? 'any' },
        { title: 'subject', value: (row) => row.subject ?? 'any' },
        { title: 'ends', value: (row) => timeText(row.endsAt) },
        { title: 'by', value: (row) => row.createdBy },
        { title: 'reason', value: (row) => row.reason },
      ]),
    );
  });
  silence
    .command('end')
    .description('end a silence now; alerts that still fire are sent')
    .argument('<id>', 'id of the silence')
    .action(async (id: string) => {
      await (await context.hub()).delete(`/alert-silences/${encodeURIComponent(id)}`);
      context.printer().result({ ended: id }, () => `Silence ${id} has ended.`, id);
    });
  return silence;
}

function deliveriesCommand(context: CliContext): Command {
  const deliveries = new Command('deliveries')
    .description('list notifications that wait for a receiver or were given up, newest first')
    .option('--receiver <RECEIVER>', 'only those of this receiver')
    .option('--dead', 'only those that were given up');
  addPageFlags(deliveries, ['-number']);
  return deliveries.action(
    ({ receiver, dead, ...flags }: PageFlags & { readonly receiver?: string; readonly dead?: boolean }) => {
      const query = { receiver, dead: dead ? 'true' : undefined };
      const parse = (answer: unknown) => {
        const { deliveries: rows, next } = parseDeliveries(answer);
        return { rows, next };
      };
      return showList(context, { path: '/alert-deliveries', query, flags, parse }, (printer, rows) =>
        printer.table(rows, [
          { title: 'id', value: (row) => row.id },
          { title: 'receiver', value: (row) => row.receiver },
          { title: 'subject', value: (row) => row.subject },
          { title: 'state', value: (row) => (row.deadAt === undefined ? 'waits' : 'given up') },
          { title: 'tries', value: (row) => row.tries, align: 'right' },
          { title: 'since', value: (row) => timeText(row.createdAt) },
          { title: 'last fault', value: (row) => row.fault ?? '-' },
        ]),
      );
    },
  );
}

function alertText(alert: Alert): readonly string[] {
  const { id, code, severity, owner, state, summary, runbook, acknowledgedBy } = alert;
  const times = [
    ['seen', alert.pendingAt],
    ['fired', alert.firedAt],
    ['acknowledged', alert.acknowledgedAt],
    ['resolved', alert.resolvedAt],
  ] as const;
  return [
    `${id}  ${severity}  ${code}  ${state}${alert.silenced ? ', silenced' : ''}`,
    summary,
    '',
    ...times.flatMap(([what, at]) => {
      if (at === undefined) return [];
      const by = what === 'acknowledged' && acknowledgedBy ? ` by ${acknowledgedBy}` : '';
      return [`${what.padEnd(13)} ${timeText(at, 'second')}${by}`];
    }),
    `${'owner'.padEnd(13)} ${owner}`,
    `${'what to do'.padEnd(13)} ${runbook}`,
  ];
}

function pathOf(id: string): string {
  return `/alerts/${encodeURIComponent(id)}`;
}
