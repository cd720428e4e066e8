/** `modelfleet trust`: the roots of trust, made once, and what has become of them. */

import { Command } from 'commander';
import { systemClock } from '../../platform/system-clock.ts';
import { usageValue } from '../../platform/usage-value.ts';
import { TrustStatus } from '../../shared/api/trust.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { ModelName } from '../../shared/base/names.ts';
import { parser } from '../../shared/base/parse.ts';
import { sha256 } from '../../shared/digest/sha256.ts';
import { answerParser } from '../answer-parser.ts';
import type { CliContext, Printer } from '../context.ts';
import { wholeNumber } from '../flag-values.ts';
import { timeText } from '../time-text.ts';
import { findPassphrase, readKeyFile, requirePassphrase } from '../trust/key-file.ts';
import { makeNewTrust, parseHubKeys, requireNoKeys, saveNewTrust } from '../trust/new-trust.ts';
import { refreshMetadata } from '../trust/publish-version.ts';

const parseStatus = answerParser(TrustStatus);
const parseModel = parser(ModelName, '--model');
const rootKeysRange = { min: 1, max: limits.trustKeysPerRoleMax };

interface InitFlags {
  readonly keys: string;
  readonly rootKeys: string;
  readonly rootThreshold: string;
  readonly model?: string;
  readonly passphraseFile?: string;
}

export function trustCommand(context: CliContext): Command {
  const trust = new Command('trust').description(
    'manage the signing keys and trust metadata that devices verify versions with',
  );
  trust
    .command('init')
    .description('create the signing keys and the trust root of a hub; once per hub')
    .option('--keys <DIR>', 'folder to write the encrypted keys to', 'modelfleet-keys')
    .option('--root-keys <N>', 'number of root keys', '1')
    .option('--root-threshold <M>', 'number of root keys that must sign a later change of the root', '1')
    .option('--model <NAME>', 'only model that the publisher key may sign (default: every model)')
    .option(
      '--passphrase-file <FILE>',
      'file with the passphrase of the keys (default: the passphrase in MODELFLEET_PASSPHRASE)',
    )
    .action((flags: InitFlags) => initialise(flags, context));
  trust
    .command('status')
    .description('show version and expiry of each trust role')
    .action(async () => {
      const status = parseStatus(await (await context.hub()).get('/trust'));
      const printer = context.printer();
      printer.result(status, () => describeStatus(status.roles, printer));
    });
  trust
    .command('refresh')
    .description('sign the metadata of the publisher again, for another year')
    .requiredOption('--key <FILE>', 'publisher key, made by "trust init"')
    .option(
      '--restored',
      'sign with a version above all that this key has signed, after the hub was restored from a backup',
    )
    .option(
      '--passphrase-file <FILE>',
      'file with the passphrase of the key (default: the passphrase in MODELFLEET_PASSPHRASE)',
    )
    .action((flags: RefreshFlags) => refresh(flags, context));
  return trust;
}

interface RefreshFlags {
  readonly key: string;
  readonly restored?: boolean;
  readonly passphraseFile?: string;
}

async function refresh(flags: RefreshFlags, context: CliContext): Promise<void> {
  const passphrase = await findPassphrase(flags.passphraseFile, process.env);
  const key = await readKeyFile(flags.key, passphrase);
  const hub = await context.hub();
  const tools = { hub, key, keyFile: flags.key, now: systemClock.now };
  const version = await refreshMetadata(tools, { restored: flags.restored ?? false });
  context
    .printer()
    .result({ role: 'publisher', version }, () => [
      `The publisher's metadata is signed again, version ${version}; it names the versions that "modelfleet models list" shows.`,
    ]);
}

async function initialise(flags: InitFlags, context: CliContext): Promise<void> {
  const printer = context.printer();
  const model = flags.model === undefined ? undefined : usageValue(() => parseModel(flags.model));
  const rootKeys = wholeNumber(flags.rootKeys, '--root-keys', rootKeysRange);
  const rootThreshold = wholeNumber(flags.rootThreshold, '--root-threshold', rootKeysRange);
  const passphrase = await findPassphrase(flags.passphraseFile, process.env);
  requirePassphrase(passphrase);
  await requireNoKeys(flags.keys);
  const hub = await context.hub();
  if (parseStatus(await hub.get('/trust')).initialised) {
    throw new AppError('trust_exists', 'Cannot make a trust root: the hub already has one.');
  }
  const online = parseHubKeys(await hub.get('/trust/keys'));
  const made = makeNewTrust({ online, rootKeys, rootThreshold, model, nowMs: systemClock.now() });
  // Keys first: a hub whose keys were lost could never be given a new version again.
  await saveNewTrust(made, flags.keys, passphrase);
  const body = Object.fromEntries(
    Object.entries(made.files).map(([topic, bytes]) => [topic, bytes.toString('base64')]),
  );
  try {
    await hub.post('/trust', body);
  } catch (error) {
    printer.note(
      `The keys in ${flags.keys} are not in use; remove them, or name another folder, to try again.`,
    );
    throw error;
  }
  const rootSha256 = sha256(made.files.root);
  const keys = [...made.keys.keys()].map((name) => `${name}.pem`);
  printer.result({ rootSha256, folder: flags.keys, keys }, () =>
    describeKeys(flags, { rootSha256, rootKeys, rootThreshold, model }),
  );
}

function describeKeys(
  { keys }: InitFlags,
  made: { rootSha256: string; rootKeys: number; rootThreshold: number; model: string | undefined },
): readonly string[] {
  const roots = made.rootKeys === 1 ? 'root-1.pem' : `root-1.pem … root-${made.rootKeys}.pem`;
  return [
    `The hub has its trust root: ${made.rootSha256}`,
    `Encrypted keys are in ${keys}:`,
    `  take OFFLINE now   ${roots}   needed to replace keys (${made.rootThreshold} of ${made.rootKeys} must sign)`,
    '  take OFFLINE now   targets.pem   names who may publish, and the key of the hub that devices obey',
    `  keep at hand       publisher.pem   signs versions of ${made.model ?? 'every model'}: models publish --key ${keys}/publisher.pem`,
    'Move the offline keys to media that no network reaches, with root.json and targets.json, and delete them here.',
    'Without the passphrase the keys are lost; without root keys no key can ever be replaced.',
  ];
}

function describeStatus(
  roles: readonly { role: string; version: number; expires: string }[],
  printer: Printer,
): string | readonly string[] {
  if (roles.length === 0) return 'The hub has no trust root yet: run "modelfleet trust init".';
  return printer.table(roles, [
    { title: 'role', value: (row) => row.role },
    { title: 'version', value: (row) => row.version, align: 'right' },
    { title: 'expires', value: (row) => timeText(Date.parse(row.expires)) },
  ]);
}
