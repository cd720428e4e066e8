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
  const audit = new Command('audit').description('show, export and verify the audit log of the hub');
  const listing = audit
    .command('list')
    .description('list actions of users, devices and the hub, newest first')
    .option('--actor <ACTOR>', 'only actions of this actor, such as token:admin or device:press-7')
    .option(
      '--action <ACTION>',
      'only this action, such as rollout.paused, or a family, such as rollout or security (refused requests)',
    )
    .option('--target <TARGET>', 'only actions on this target, such as device/press-7');
  listing
    .option('--since <TIME>', 'only actions at this time and later, such as 2027-01-31T00:00:00Z')
    .option('--until <TIME>', 'only actions before this time');
  addPageFlags(listing, ['-number'], 100);
  listing.action(({ actor, action, target, since, until, ...flags }: ListFlags) => {
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
    .description(
      'fetch the signed hash of the newest row, to keep outside the hub and verify the log with later',
    )
    .option('--out <FILE>', 'file to write (default: standard output)')
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
    .description('write rows and the signed head to a file that can be verified without the hub')
    .requiredOption('--out <FILE>', 'file to write')
    .option('--since <TIME>', 'only rows of this time and later, such as 2027-01-31T00:00:00Z (default: all)')
    .action(async ({ out, since }: { readonly out: string; readonly since?: string }) => {
      const from = since === undefined ? undefined : pointInTime(since, '--since');
      const rows = await exportAudit(await context.hub(), { file: out, since: from });
      context.printer().result(rows, () => `Rows ${rows.from} to ${rows.to} are in ${out}.`);
    });
  audit
    .command('verify')
    .description(
      'check the hash chain of the log from its first row, or from the signed checkpoint of deleted rows',
    )
    .option(
      '--against <FILE>',
      'file of an earlier "audit head" or of --audit-head-file of the hub: that head must be in the chain',
    )
    .option(
      '--file <FILE>',
      'file of "audit export" to check instead of the log on the hub; requires --against',
    )
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
          `Cannot compare with "${against}": row ${query?.number} was deleted from the log. Expected a head of row ${verdict.from} or later.`,
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
