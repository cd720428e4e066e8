/** `modelfleet hub`: what concerns the hub itself. */
import { Command } from 'commander';
import { type RetentionKind, RetentionReport, type RetentionRequest } from '../../shared/api/retention.ts';
import { formatBytes } from '../../shared/base/bytes.ts';
import { exitCodes } from '../../shared/errors/failure.ts';
import { answerParser } from '../answer-parser.ts';
import { addYesFlag, confirm } from '../confirm.ts';
import type { CliContext, HubClient, Printer } from '../context.ts';
import { timeText } from '../time-text.ts';

const parseReport = answerParser(RetentionReport);

interface GcFlags {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
}

export function hubCommand(context: CliContext): Command {
  const hub = new Command('hub').description('maintain the hub');
  addYesFlag(hub.command('gc'))
    .description('delete data past its retention time now; the hub also does so by itself')
    .option('--dry-run', 'only show what would be deleted')
    .action((flags: GcFlags) => collect(flags, context));
  return hub;
}

async function collect({ dryRun = false, yes }: GcFlags, context: CliContext): Promise<void> {
  const hub = await context.hub();
  const printer = context.printer();
  await confirm({
    yes: dryRun || yes,
    action: 'delete what is due',
    preview: async () => kindTable(await collectAll(true, hub), { dryRun: true, printer }),
  });
  const kinds = await collectAll(dryRun, hub);
  printer.result({ dryRun, kinds }, () => kindTable(kinds, { dryRun, printer }));
  if (kinds.some(({ failed }) => failed !== undefined)) context.endWith(exitCodes.refused);
}

function kindTable(
  kinds: readonly RetentionKind[],
  { dryRun, printer }: { readonly dryRun: boolean; readonly printer: Printer },
): readonly string[] {
  const oldest = {
    title: 'oldest',
    value: (row: RetentionKind) => (row.oldestAt === undefined ? '-' : timeText(row.oldestAt)),
  };
  return printer.table(kinds, [
    { title: dryRun ? 'would leave' : 'left', value: (row) => row.kind },
    { title: 'count', value: (row) => `${row.count}${row.isMore ? '+' : ''}`, align: 'right' },
    { title: 'bytes', value: (row) => formatBytes(row.bytes), align: 'right' },
    ...(dryRun ? [oldest] : []),
    { title: 'rule', value: (row) => (row.failed === undefined ? row.rule : `failed: ${row.failed}`) },
  ]);
}

/** One request takes a bounded time: it is repeated until nothing more leaves. */
async function collectAll(dryRun: boolean, hub: HubClient): Promise<RetentionKind[]> {
  const sums = new Map<string, RetentionKind>();
  for (;;) {
    const { kinds } = parseReport(await hub.post('/hub/gc', { dryRun } satisfies RetentionRequest));
    for (const kind of kinds) {
      const { count = 0, bytes = 0, failed } = sums.get(kind.kind) ?? {};
      sums.set(kind.kind, {
        ...kind,
        count: count + kind.count,
        bytes: bytes + kind.bytes,
        ...(failed === undefined ? {} : { failed }),
      });
    }
    if (dryRun || !kinds.some(({ isMore }) => isMore)) return [...sums.values()];
  }
}
