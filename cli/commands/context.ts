/** `modelfleet context`: the saved logins, and which of them commands use. */

import { Command } from 'commander';
import { AppError } from '../../shared/base/app-error.ts';
import { ownValue } from '../../shared/base/own-value.ts';
import type { CliContext } from '../context.ts';
import { requireContext } from '../hub-access.ts';
import { contextName, type Logins, loginFilePath, readLogins, writeLogins } from '../login-file.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$/;

interface ContextRow {
  readonly name: string;
  readonly hub: string;
  readonly current: boolean;
}

export function contextCommand(context: CliContext): Command {
  const contexts = new Command('context').description(
    'list, switch and rename saved logins; "login" makes them',
  );
  contexts
    .command('list')
    .description('list saved logins; the current one is marked')
    .action(async () => {
      const rows = rowsOf(await readLogins(loginFilePath(process.env)));
      const printer = context.printer();
      printer.result(rows, () =>
        printer.table(rows, [
          { title: 'name', value: (row) => row.name },
          { title: 'hub', value: (row) => row.hub },
          { title: 'current', value: (row) => (row.current ? '*' : '') },
        ]),
      );
    });
  contexts
    .command('use')
    .description('make a saved login the current one, which commands use')
    .argument('<context>', 'name of the login, or URL of its hub')
    .action((wanted: string) =>
      change(
        wanted,
        context,
        (logins, url) => ({ ...logins, current: url }),
        (name) => `Using "${name}".`,
      ),
    );
  contexts
    .command('rename')
    .description('give a saved login another name')
    .argument('<context>', 'name of the login, or URL of its hub')
    .argument('<name>', 'new name: 1-64 of A-Z a-z 0-9 . _ : -')
    .action((wanted: string, name: string) =>
      change(
        wanted,
        context,
        (logins, url) => named(logins, url, name),
        (after) => `"${wanted}" is called "${after}".`,
      ),
    );
  return contexts;
}

/** The logins with the one of `url` called `name`. Throws `bad_usage` for a name that cannot be used. */
export function named(logins: Logins, url: string, name: string): Logins {
  if (!NAME.test(name)) {
    throw new AppError(
      'bad_usage',
      `Cannot name a context "${name}": expected 1 to 64 letters, digits and . _ : -, beginning with a letter or a digit.`,
    );
  }
  const other = Object.keys(logins.hubs).find(
    (hub) => hub !== url && contextName(hub, ownValue(logins.hubs, hub)!) === name,
  );
  if (other !== undefined) {
    throw new AppError(
      'bad_usage',
      `Cannot name a context "${name}": the context of ${other} already has this name.`,
    );
  }
  return { ...logins, hubs: { ...logins.hubs, [url]: { ...ownValue(logins.hubs, url)!, name } } };
}

async function change(
  wanted: string,
  context: CliContext,
  make: (logins: Logins, url: string) => Logins,
  text: (name: string) => string,
): Promise<void> {
  const path = loginFilePath(process.env);
  const logins = await readLogins(path);
  const url = requireContext(logins, wanted);
  const after = make(logins, url);
  await writeLogins(path, after);
  const row = rowsOf(after).find(({ hub }) => hub === url)!;
  context.printer().result(row, () => text(row.name), row.name);
}

function rowsOf({ hubs, current }: Logins): readonly ContextRow[] {
  return Object.entries(hubs).map(([hub, login]) => ({
    name: contextName(hub, login),
    hub,
    current: hub === current,
  }));
}
