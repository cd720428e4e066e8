/** `modelfleet tokens`: API tokens of people and programs. */

import { Command, Option } from 'commander';
import {
  ApiTokenPage,
  type ApiTokenRequest,
  CreatedApiToken,
  type Role,
  roles,
} from '../../shared/api/access.ts';
import { answerParser } from '../answer-parser.ts';
import { addYesFlag, confirm } from '../confirm.ts';
import type { CliContext } from '../context.ts';
import { duration } from '../flag-values.ts';
import { addPageFlags, type PageFlags, showList } from '../paged-list.ts';
import { timeText } from '../time-text.ts';

const parseCreated = answerParser(CreatedApiToken);
const parseList = answerParser(ApiTokenPage);
const ROLE_TEXT =
  'permissions: viewer reads; operator also manages devices and rollouts; publisher reads and publishes versions; admin does everything';

export function tokensCommand(context: CliContext): Command {
  const tokens = new Command('tokens').description(
    'create, list and revoke API tokens of users and programs',
  );
  tokens
    .command('create')
    .description('create an API token and print its secret, which is not shown again')
    .argument('<name>', 'name of the new token')
    .addOption(new Option('--role <ROLE>', ROLE_TEXT).choices(roles).makeOptionMandatory())
    .option('--ttl <DURATION>', 'time until it expires, such as 8h or 90d (default: never)')
    .action(async (name: string, flags: { role: Role; ttl?: string }) => {
      const ttlMs = flags.ttl === undefined ? undefined : duration(flags.ttl, '--ttl');
      const hub = await context.hub();
      const made = parseCreated(
        await hub.post('/tokens', { name, role: flags.role, ttlMs } satisfies ApiTokenRequest),
      );
      const printer = context.printer();
      printer.result(made, () => made.secret);
      printer.note(`Token "${name}" (${made.token.role}) is made. Its secret is not shown again.`);
    });
  const listing = tokens
    .command('list')
    .description('list API tokens, without their secrets')
    .addOption(new Option('--role <ROLE>', 'only tokens with this role').choices(roles));
  addPageFlags(listing, ['name', 'createdAt']);
  listing.action(({ role, ...flags }: PageFlags & { readonly role?: string }) => {
    const parse = (answer: unknown) => {
      const { tokens: rows, next } = parseList(answer);
      return { rows, next };
    };
    const now = Date.now();
    return showList(context, { path: '/tokens', query: { role }, flags, parse }, (printer, rows) =>
      printer.table(rows, [
        { title: 'name', value: (row) => row.name },
        { title: 'role', value: (row) => row.role },
        { title: 'state', value: (row) => stateOf(row, now) },
        { title: 'created', value: (row) => day(row.createdAt) },
        { title: 'expires', value: (row) => day(row.expiresAt) },
        { title: 'last used', value: (row) => day(row.lastUsedAt) },
      ]),
    );
  });
  addYesFlag(tokens.command('revoke'))
    .description('revoke an API token; requests with it are refused at once')
    .argument('<name>', 'name of the token')
    .action(async (name: string, { yes }: { yes?: boolean }) => {
      const hub = await context.hub();
      await confirm({
        yes,
        action: `revoke token "${name}"`,
        preview: async () => [
          'Whoever uses it is refused from then on. A revoked token cannot be made valid again.',
        ],
      });
      await hub.delete(`/tokens/${encodeURIComponent(name)}`);
      context.printer().result({ revoked: name }, () => `Token "${name}" is revoked.`, name);
    });
  return tokens;
}

function stateOf(token: { revokedAt?: number; expiresAt?: number }, now: number): string {
  if (token.revokedAt !== undefined) return 'revoked';
  return token.expiresAt !== undefined && token.expiresAt <= now ? 'expired' : 'valid';
}

function day(ms: number | undefined): string {
  return ms === undefined ? '-' : timeText(ms);
}
