/** `modelfleet models`: pack, publish, list, show and withdraw versions. */

import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { Command, Option } from 'commander';
import { makeLogger } from '../../platform/logger.ts';
import { systemClock } from '../../platform/system-clock.ts';
import { ModelPage, Unassigned, Version, VersionPage, versionStates } from '../../shared/api/models.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { formatBytes } from '../../shared/base/bytes.ts';
import { answerParser } from '../answer-parser.ts';
import { addYesFlag, confirm } from '../confirm.ts';
import type { CliContext, HubClient, Printer } from '../context.ts';
import { countText } from '../count-text.ts';
import { modelYamlFile } from '../packing/model-yaml.ts';
import { packVersion } from '../packing/pack.ts';
import { checkSources } from '../packing/packed-sources.ts';
import {
  manifestFileName,
  type PackedVersion,
  packedFolder,
  readPackedVersion,
} from '../packing/packed-version.ts';
import { addPageFlags, type PageFlags, showList } from '../paged-list.ts';
import { timeText } from '../time-text.ts';
import { findPassphrase, readKeyFile } from '../trust/key-file.ts';
import { type PublisherTools, publishVersion, sendWithdrawal } from '../trust/publish-version.ts';
import type { UploadProgress } from '../trust/upload-chunks.ts';
import { packCommand } from './models-pack.ts';

const parseModels = answerParser(ModelPage);
const parseVersions = answerParser(VersionPage);
const parseDetail = answerParser(Version);
const parseUnassigned = answerParser(Unassigned);

interface KeyFlags {
  readonly key: string;
  readonly passphraseFile?: string;
}

interface PublishFlags extends KeyFlags {
  readonly breaking?: boolean;
}

interface VersionFlags extends PageFlags {
  readonly state?: string;
}

export function modelsCommand(context: CliContext): Command {
  const models = new Command('models').description('pack, sign, publish and withdraw versions of models');
  models.addCommand(packCommand(context));
  withKey(models.command('publish'))
    .description(
      'sign a version on this machine and upload it to the hub; no device installs it before a rollout',
    )
    .argument(
      '<dir>',
      'folder that "pack" wrote, or a folder with model.yaml, which is packed first if it was not',
    )
    .option(
      '--breaking',
      'publish although clients of the version before would break: inputs or outputs changed',
    )
    .action((folder: string, flags: PublishFlags) => publish(folder, flags, context));
  addPageFlags(models.command('list').description('list models with their newest version'), ['model']).action(
    (flags: PageFlags) => {
      const parse = (answer: unknown) => {
        const { models: rows, next } = parseModels(answer);
        return { rows, next };
      };
      return showList(context, { path: '/models', flags, parse }, (printer, rows) =>
        printer.table(rows, [
          { title: 'model', value: (row) => row.model },
          {
            title: 'newest',
            value: ({ newest: { version, withdrawn } }) => (withdrawn ? `${version} (withdrawn)` : version),
          },
          { title: 'release', value: (row) => row.newest.release, align: 'right' },
          { title: 'versions', value: (row) => row.versions, align: 'right' },
          { title: 'published', value: (row) => timeText(row.newest.publishedAt) },
          { title: 'by', value: (row) => row.newest.publishedBy, isWide: true },
          { title: 'manifest', value: (row) => row.newest.manifestSha256, isWide: true },
        ]),
      );
    },
  );
  const showing = models
    .command('show')
    .description('list the versions of a model, or show one version in full')
    .argument('<model>', 'name of the model')
    .argument('[version]', 'version to show in full (default: a list of all)')
    .addOption(new Option('--state <STATE>', 'only versions in this state').choices(versionStates));
  addPageFlags(showing, ['release', 'publishedAt']).action(
    (model: string, version: string | undefined, flags: VersionFlags) =>
      version === undefined
        ? showVersions(model, flags, context)
        : showVersion({ model, version }, flags, context),
  );
  addYesFlag(withKey(models.command('withdraw')))
    .description('sign that a version must not be installed any more; devices that run it go on')
    .argument('<model>', 'name of the model')
    .argument('<version>', 'version to withdraw; it can never be published again')
    .requiredOption('--reason <TEXT>', 'reason, shown to operators and on devices')
    .action(async (model: string, version: string, flags: WithdrawFlags) => {
      const tools = await publisherTools(flags, context);
      await confirm({
        yes: flags.yes,
        action: `withdraw ${model} ${version}`,
        preview: async () => [
          describeVersion(await fetchVersion({ model, version }, tools.hub))[0]!,
          'No device installs it from then on, and the version can never be published again.',
          'Devices that run it go on until a rollout brings them another version.',
        ],
      });
      const withdrawn = await sendWithdrawal({ model, version, reason: flags.reason }, tools);
      context.printer().result(withdrawn, () => `${model} ${version} is withdrawn: ${flags.reason}`, version);
    });
  addYesFlag(models.command('unassign'))
    .description('remove a model from a device or a group: they stop serving it and delete its versions')
    .argument('<model>', 'name of the model')
    .option('--device <ID>', 'remove it from this device; either this or --group is required')
    .option('--group <GROUP>', 'remove it from every device of this group')
    .action((model: string, flags: UnassignFlags) => unassign(model, flags, context));
  return models;
}

interface WithdrawFlags extends KeyFlags {
  readonly reason: string;
  readonly yes?: boolean;
}

interface UnassignFlags {
  readonly device?: string;
  readonly group?: string;
  readonly yes?: boolean;
}

async function unassign(model: string, flags: UnassignFlags, context: CliContext): Promise<void> {
  const { device, group } = flags;
  if ((device === undefined) === (group === undefined)) {
    throw new AppError('bad_usage', `Cannot unassign "${model}": use either --device or --group.`);
  }
  const target = device === undefined ? `every device of group "${group}"` : `device "${device}"`;
  await confirm({
    yes: flags.yes,
    action: `unassign "${model}"`,
    preview: async () => [`${target} stops answering for it and deletes every version of it.`],
  });
  const path = `/models/${encodeURIComponent(model)}/unassign`;
  const body = device === undefined ? { group } : { device };
  const answer = parseUnassigned(await (await context.hub()).post(path, body));
  context
    .printer()
    .result(answer, () => [
      `"${model}" is taken off ${countText(answer.devices, 'device')}; an offline device removes it when it reconnects.`,
      ...answer.failed.map((one) => `${one.device}  could not be told: ${one.code}: ${one.message}`),
    ]);
}

function withKey(command: Command): Command {
  return command
    .requiredOption('--key <FILE>', 'publisher key, made by "trust init"')
    .option(
      '--passphrase-file <FILE>',
      'file with the passphrase of the key (default: the passphrase in MODELFLEET_PASSPHRASE)',
    );
}

async function publish(folder: string, flags: PublishFlags, context: CliContext): Promise<void> {
  const printer = context.printer();
  const tools = await publisherTools(flags, context);
  const packed = await packedVersion(folder, printer);
  const progress = printer.progress();
  const onProgress = ({ sentBytes, totalBytes }: UploadProgress) =>
    progress.bytes('Uploading', sentBytes, totalBytes);
  const published = await publishVersion(packed, tools, { onProgress, breaking: flags.breaking }).finally(
    () => progress.end(),
  );
  printer.result(published, () => [
    `Published ${published.model} ${published.version} (release ${published.release}), ${formatBytes(published.uploadedBytes)} uploaded`,
    `  manifest ${published.manifestSha256}`,
  ]);
}

/**
 * A folder with a manifest is taken as it is. Of one with model.yaml, the version that was packed is published, so that its
 * digest is the one that packing showed; it is packed here only if it never was.
 */
async function packedVersion(folder: string, printer: Printer): Promise<PackedVersion> {
  const has = (...path: string[]) =>
    stat(join(folder, ...path)).then(
      (found) => found.isFile(),
      () => false,
    );
  if ((await has(manifestFileName)) || !(await has(modelYamlFile))) return readPackedVersion(folder);
  const out = packedFolder(folder);
  if (await has(basename(out), manifestFileName)) {
    const packedAt = await checkSources(folder, out);
    printer.note(`Publishing ${out}, packed ${timeText(packedAt.getTime())}`);
    return readPackedVersion(out);
  }
  const progress = printer.progress();
  const { packed, remarks } = await packVersion({
    folder,
    now: systemClock.now(),
    logger: makeLogger('pack', 'silent'),
    onStep: (name) => progress.step(name),
  }).finally(() => progress.end());
  for (const remark of remarks) printer.note(`Note: ${remark}.`);
  printer.note(`Packed into ${packed.folder}`);
  return packed;
}

async function publisherTools(
  { key, passphraseFile }: KeyFlags,
  context: CliContext,
): Promise<PublisherTools> {
  const passphrase = await findPassphrase(passphraseFile, process.env);
  return {
    key: await readKeyFile(key, passphrase),
    keyFile: key,
    hub: await context.hub(),
    now: () => systemClock.now(),
  };
}

async function showVersion(
  { model, version }: { readonly model: string; readonly version: string },
  flags: VersionFlags,
  context: CliContext,
): Promise<void> {
  const [flag] = Object.keys(flags);
  if (flag !== undefined) {
    throw new AppError(
      'bad_usage',
      `Cannot show ${model} ${version} with --${flag}: the option applies only to lists of versions.`,
    );
  }
  const detail = await fetchVersion({ model, version }, await context.hub());
  context.printer().result(detail, () => describeVersion(detail), version);
}

async function fetchVersion(
  { model, version }: { readonly model: string; readonly version: string },
  hub: HubClient,
): Promise<Version> {
  const path = `/models/${encodeURIComponent(model)}/versions/${encodeURIComponent(version)}`;
  return parseDetail(await hub.get(path));
}

function showVersions(model: string, { state, ...flags }: VersionFlags, context: CliContext): Promise<void> {
  const parse = (answer: unknown) => {
    const { versions: rows, next } = parseVersions(answer);
    return { rows, next };
  };
  const path = `/models/${encodeURIComponent(model)}`;
  return showList(context, { path, query: { state }, flags, parse }, (printer, versions) =>
    printer.table(versions, [
      { title: 'version', value: (row) => row.version },
      { title: 'release', value: (row) => row.release, align: 'right' },
      { title: 'published', value: (row) => timeText(row.publishedAt) },
      { title: 'by', value: (row) => row.publishedBy },
      {
        title: 'state',
        value: ({ withdrawn, contentLeftAt }) =>
          withdrawn === undefined
            ? 'published'
            : `withdrawn${contentLeftAt === undefined ? '' : ', files left'}: ${withdrawn.reason}`,
      },
      { title: 'manifest', value: (row) => row.manifestSha256, isWide: true },
    ]),
  );
}

function describeVersion(detail: Version): readonly string[] {
  const { manifest, withdrawn, contentLeftAt } = detail;
  const tensor = (spec: { name: string; datatype: string; shape: readonly number[] }): string =>
    `${spec.name} ${spec.datatype}[${spec.shape.join(',')}]`;
  return [
    `${detail.model} ${detail.version} (release ${detail.release})`,
    ...(withdrawn ? [`  WITHDRAWN ${timeText(withdrawn.at)}: ${withdrawn.reason}`] : []),
    ...(contentLeftAt === undefined
      ? []
      : [`  FILES LEFT ${timeText(contentLeftAt)}: the hub has none of them any more`]),
    `  manifest   ${detail.manifestSha256}`,
    `  published  ${timeText(detail.publishedAt)} by ${detail.publishedBy}, made ${timeText(Date.parse(manifest.created))}`,
    `  files      ${manifest.files.map((file) => `${file.path} (${formatBytes(file.bytes)})`).join(', ')}`,
    `  variants   ${manifest.variants.map((variant) => `${variant.file} ${variant.precision} on ${variant.providers.join('/')}`).join(', ')}`,
    `  inputs     ${manifest.interface.inputs.map(tensor).join(', ')}`,
    `  outputs    ${manifest.interface.outputs.map(tensor).join(', ')}`,
    `  profile    ${manifest.profile ? manifest.profile.features.map((feature) => feature.name).join(', ') : 'none'}`,
    ...(manifest.card?.description ? [`  about      ${manifest.card.description}`] : []),
  ];
}
