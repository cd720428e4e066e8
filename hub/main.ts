/** `modelfleet-hub`: reads options, runs the hub until it is told to stop, tells people what they need to reach it. */
import { Command } from 'commander';
import { reportFailure, setUpCommandLine } from '../platform/command-line.ts';
import { addCompletion } from '../platform/completion-command.ts';
import { programVersion } from '../platform/installation.ts';
import { addOptionFlags, loadOptions, optionSourcesText } from '../platform/load-options.ts';
import { makeLogger, makeLogStream, setLogLevel } from '../platform/logger.ts';
import { openFilesMax } from '../platform/open-files.ts';
import { HangUps, reloadWith } from '../platform/reload.ts';
import { LastingParts, openServiceManager } from '../platform/service-manager.ts';
import { endProgram, guardOutput, outliveOutput } from '../platform/standard-output.ts';
import { systemClock } from '../platform/system-clock.ts';
import { limits } from '../shared/base/limits.ts';
import { safeLines } from '../shared/base/safe-text.ts';
import { exitCodes } from '../shared/errors/failure.ts';
import { backupCommand } from './commands/backup-command.ts';
import { compactCommand } from './commands/compact-command.ts';
import { examples } from './commands/examples.ts';
import { restoreCommand } from './commands/restore-command.ts';
import { hubOptionTable } from './config/options-schema.ts';
import { createHub } from './hub.ts';
import type { HubAddresses } from './hub-lifecycle.ts';

const PROGRAM = 'modelfleet-hub';
const argv = process.argv.slice(2);
const ENV_PREFIX = 'MODELFLEET_HUB';
const ACCEPT_LOSS =
  'start although parts of the data folder are missing, and replace those that can be made anew (README has the consequences)';
const CATCH_UP =
  'start with an older copy of the data folder that "restore" did not make: number what it signs above what devices have accepted since, end rollouts, revoke join tokens';
/** Of the hub's own options, what its commands use. */
const sharedOptions = ['--config', '--data', '--json', '--version'];

async function main(): Promise<void> {
  guardOutput(PROGRAM);
  const version = await programVersion();
  const program = addOptionFlags(new Command(PROGRAM), hubOptionTable)
    .description('run the hub of a fleet of devices: REST API, MQTT broker, rollouts of ML models')
    .version(version, '-V, --version', 'print the version of this program')
    .option('--json', 'print addresses or results as one line of JSON')
    .option(
      '--new-admin-token',
      'make another admin token and write it to the file admin-token of the data folder',
    )
    .option('--accept-loss', ACCEPT_LOSS)
    .option('--catch-up', CATCH_UP)
    .addHelpText('after', optionSourcesText(ENV_PREFIX))
    .action((flags: Record<string, unknown>) => runHub(flags))
    .addCommand(backupCommand(version))
    .addCommand(restoreCommand())
    .addCommand(compactCommand());
  addCompletion(program);
  setUpCommandLine(program, examples, argv, sharedOptions);
  await program.parseAsync();
}

async function runHub({
  json,
  newAdminToken,
  acceptLoss,
  catchUp,
  ...optionFlags
}: Record<string, unknown>): Promise<void> {
  const hangUps = new HangUps();
  const read = () =>
    loadOptions(hubOptionTable, { envPrefix: ENV_PREFIX, env: process.env, flags: optionFlags });
  const options = await read().catch((error: unknown) => fail(error, exitCodes.usage));
  outliveOutput();
  const log = makeLogStream('hub');
  const logger = makeLogger('hub', options.logLevel, log);
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      logger.fatal({ err: error }, 'hub ends on a defect');
      logger.flush(() => fail(error, exitCodes.defect));
    });
  }
  const lasting = new LastingParts();
  const manager = openServiceManager({ env: process.env, isAlive: () => lasting.areAlive, logger });
  const hub = createHub(options, {
    clock: systemClock,
    random: Math.random,
    logger,
    logLost: () => log.lost,
    lasting,
  });
  const stopping = new Promise<string>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(signal));
  });
  const addresses = await hub
    .start({
      newAdminToken: newAdminToken === true,
      adminTokenInFile: true,
      acceptLoss: acceptLoss === true,
      catchUp: catchUp === true,
    })
    .catch((error: unknown) => fail(error));
  const text = json ? `${JSON.stringify(machineText(addresses))}\n` : safeLines(personLines(addresses));
  process.stdout.write(text, (error) => {
    if (error) logger.error({ err: error }, 'addresses could not be printed');
  });
  const openFiles = await openFilesMax();
  if (openFiles !== undefined && openFiles < limits.openFilesWanted)
    logger.warn(
      { openFiles, wanted: limits.openFilesWanted },
      'the limit of open files is low: each connected device needs one (ulimit -n, LimitNOFILE=)',
    );
  logger.info({ url: addresses.url, mqtt: addresses.mqtt, data: options.data }, 'hub started');
  const { adminTokenFile } = addresses;
  if (adminTokenFile !== undefined) logger.info({ file: adminTokenFile }, 'admin token written to a file');
  const apply = async (next: typeof options) => {
    const reloaded = await hub.reload(next);
    setLogLevel(logger, next.logLevel);
    return reloaded;
  };
  hangUps.handle(() => reloadWith({ read, apply }, logger));
  manager.ready();
  const signal = await stopping;
  hangUps.ignore();
  logger.info({ signal }, 'hub stops');
  manager.stopping();
  await hub.stop();
  logger.flush();
  await endProgram(exitCodes.ok);
}

/** Never the token itself: what a program prints ends in journals and logs. */
function machineText({ adminToken, ...addresses }: HubAddresses): Record<string, unknown> {
  return addresses;
}

/** What `modelfleet login` verifies the REST API with. */
function trustFlags({ caSha256, restTrust }: HubAddresses): string {
  if (restTrust === 'system') return '';
  return ` --ca-fingerprint ${restTrust ?? caSha256}`;
}

function personLines(addresses: HubAddresses): readonly string[] {
  const { url, mqtt, caSha256, adminTokenFile } = addresses;
  const lines = [
    `modelfleet hub`,
    `  REST API         ${url}   (docs: ${url}/docs)`,
    `  MQTT             mqtts://${mqtt.host}:${mqtt.port}`,
    `  CA fingerprint   ${caSha256}`,
  ];
  if (adminTokenFile !== undefined) {
    lines.push(
      `  admin token      in ${adminTokenFile}`,
      '',
      'The file is deleted when the token is first used. Log in with:',
      `  modelfleet login ${url} --token-file ${adminTokenFile}${trustFlags(addresses)}`,
    );
  }
  return lines;
}

function fail(error: unknown, exitCode?: number): never {
  const code = reportFailure(PROGRAM, error, argv);
  process.exit(exitCode ?? code);
}

await main().catch((error: unknown) => {
  const code = reportFailure(PROGRAM, error, argv);
  // Help and version end by themselves, once a pipe has taken them.
  if (code !== exitCodes.ok) process.exit(code);
});
