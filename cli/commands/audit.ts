/** `modelfleet audit`: who did what, and whether the record of it is whole. */

import { Command } from 'commander';
import { writeFileAtomic } from '../../platform/atomic-file.ts';
import { AuditEventPage, AuditHead, AuditVerdict } from '../../shared/api/audit.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { answerParser } from '../answer-parser.ts';
import { exportAudit, verifyExport } from '../audit-export.ts';
import { readHeadFile } from '../audit-head.ts';
import type { CliContext } from '../context.ts';
import { pointInTime } from '../flag-values.ts';
import { addPageFlags, type PageFlags, showList } from '../paged-list.ts';
import { timeText } from '../time-text.ts';

const parseEvents = answerParser(AuditEventPage);
const parseAuditHead = answerParser(AuditHead);
const parseVerdict = answerParser(AuditVerdict);

interface ListFlags extends PageFlags {
  readonly actor?: string;
  readonly action?: string;
  readonly target?: string;
  readonly since?: string;
  readonly until?: string;
}

export function auditCommand(context: CliContext): Command {
  const audit = new Command('audit').description('the hub’s audit log');
  const listing = audit
    .command('list')
    .description('show events, newest first')
    .option('--actor <ACTOR>', 'only actions of this actor, such as token:admin or device:x')
    .option(
      '--action <ACTION>',
      'only this action, or a family of them such as rollout; security: what was refused',
    )
    .option('--target <TARGET>', 'only acts on this, such as device/x');
  listing
    .option('--since <TIME>', 'only events of this time and later, such as 2027-01-31T00:00:00Z')
    .option('--until <TIME>', 'only events before this time');
  addPageFlags(listing, 100).action(({ actor, action, target, since, until, ...flags }: ListFlags) => {
    const parse = (answer: unknown) => {
      const { events, next } = parseEvents(answer);
      return { rows: events, next };
    };
    const query = {
      actor,
      action,
      target,
      since: since === undefined ? undefined : pointInTime(since, '--since'),
      until: until === undefined ? undefined : pointInTime(until, '--until'),
    };
    const request = { path: '/audit', query, flags, parse };
    return showList(context, request, (printer, events) =>
      printer.table(events, [
        { title: 'number', value: (row) => row.number, align: 'right' },
        { title: 'at', value: (row) => timeText(row.at, 'second') },
        { title: 'actor', value: (row) => row.actor },
        { title: 'from', value: (row) => row.address ?? '-' },
        { title: 'action', value: (row) => row.action },
        { title: 'target', value: (row) => row.target },
        { title: 'details', value: (row) => JSON.stringify(row.details) },
        { title: 'hash', value: (row) => row.hash, isWide: true },
      ]),
    );
  });
  audit
    .command('head')
    .description('fetch the signed head of the log, to keep outside the hub')
    .option('--out <FILE>', 'where to write it (default: standard output)')
    .action(async ({ out }: { readonly out?: string }) => {
      const head = parseAuditHead(await (await context.hub()).get('/audit/head'));
      if (out !== undefined) await writeFileAtomic(out, `${JSON.stringify(head)}\n`, 0o644);
      context
        .printer()
        .result(head, () =>
          out === undefined ? JSON.stringify(head) : `Head of row ${head.number} is in ${out}.`,
        );
    });
  audit
    .command('export')
    .description('write rows and the signed head to a file that verifies without the hub')
    .requiredOption('--out <FILE>', 'where to write it')
    .option('--since <TIME>', 'rows of this time and later, such as 2027-01-31T00:00:00Z')
    .action(async ({ out, since }: { readonly out: string; readonly since?: string }) => {
      const from = since === undefined ? undefined : pointInTime(since, '--since');
      const rows = await exportAudit(await context.hub(), { file: out, since: from });
      context.printer().result(rows, () => `Rows ${rows.from} to ${rows.to} are in ${out}.`);
    });
  audit
    .command('verify')
    .description('check the hash chain of the whole log, and the checkpoint of rows that have left')
    .option(
      '--against <FILE>',
      'a head written earlier by "audit head" or --audit-head-file: it must be on the chain',
    )
    .option('--file <FILE>', 'check an export of the log, without the hub; with --against')
    .action(async ({ against, file }: { readonly against?: string; readonly file?: string }) => {
      if (file !== undefined) {
        if (against === undefined) {
          throw new AppError(
            'bad_usage',
            'Cannot verify an export alone: whoever wrote it could have signed it. Add --against with a head kept earlier.',
          );
        }
        const rows = await verifyExport(file, against);
        context
          .printer()
          .result(
            rows,
            () => `The export verifies: rows ${rows.from} to ${rows.to}, as the hub signed them.`,
          );
        return;
      }
      const hub = await context.hub();
      let query: { readonly number: number; readonly hash: string } | undefined;
      if (against !== undefined) {
        const { publicKey } = parseAuditHead(await hub.get('/audit/head'));
        const { number, hash } = await readHeadFile(against, publicKey);
        query = { number, hash };
      }
      const verdict = parseVerdict(await hub.get('/audit/verify', query));
      if (verdict.headRemoved) {
        throw new AppError(
          'bad_input',
          `Cannot compare with "${against}": row ${query?.number} has left the log. Expected a head of row ${verdict.from} or later.`,
        );
      }
      if (!verdict.intact) {
        throw new AppError(
          'audit_broken',
          `The audit log is broken at row ${verdict.brokenAt}: ${verdict.reason}. The ${verdict.rows} rows before it are intact.${leftText(verdict)}`,
          { details: verdict },
        );
      }
      context
        .printer()
        .result(
          verdict,
          () =>
            `The audit log is whole: ${verdict.rows} rows from row ${verdict.from} on, head ${verdict.head}.${leftText(verdict)}`,
        );
    });
  return audit;
}

/** What the signed checkpoint says. */
function leftText({ checkpoint }: AuditVerdict): string {
  if (checkpoint === undefined) return '';
  const { number, firstAt, lastAt } = checkpoint;
  return ` Rows 1 to ${number}, of ${timeText(firstAt, 'second')} to ${timeText(lastAt, 'second')}, have left; the hub's signature on that is valid.`;
}
