/**
 * `npm run demo`: a year of eight gas sensors on six devices, in under two minutes. Drives the programs as README teaches them, says what happens, checks
 * what it says, and ends with 1 when a check does not hold.
 */
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { Fleet } from './fleet.ts';
import { generatedData, realData, seedDefault } from './gas-sensors/gas-sensor-data.ts';
import { Narrator } from './narrator.ts';
import { Programs } from './programs.ts';
import { printNextCommands } from './story/next-commands.ts';
import { tellStory } from './story/tell-story.ts';

/** As shells count a program that SIGINT ended. */
const EXIT_INTERRUPTED = 130;

const flags = new Command('demo')
  .description('The story of a year of gas sensors: a hub, six devices, three good versions and two bad ones')
  .option('--once', 'end after the story instead of leaving the fleet running')
  .option('--data <DIR>', 'tell it on the real readings and models in DIR/air-quality')
  .option('--seed <N>', 'seed of the generated year', Number, seedDefault)
  .option('--keep', 'keep the folder with data and logs after the end')
  .parse()
  .opts<{ once?: boolean; data?: string; seed: number; keep?: boolean }>();

const folder = await mkdtemp(join(tmpdir(), 'modelfleet-demo-'));
await mkdir(join(folder, 'logs'));
const programs = new Programs({
  logs: join(folder, 'logs'),
  env: {
    MODELFLEET_CONFIG: join(folder, 'login.json'),
    MODELFLEET_PASSPHRASE: 'only for the demo',
    NODE_NO_WARNINGS: '1',
  },
});
const narrator = new Narrator();
const fleet = new Fleet({
  folder,
  programs,
  narrator,
  hubFlags: ['--telemetry-bucket', '1s', '--rollout-observe', '500ms'],
  agentFlags: ['--window', '1s'],
});

process.on('exit', () => programs.killAll());
const interruption = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => interruption.abort());
// `| head`: nobody listens any more.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => interruption.abort());
const interrupted = new Promise<void>((resolve) => {
  interruption.signal.addEventListener('abort', () => resolve());
});

let exitCode = 0;
try {
  narrator.chapter('A year of eight gas sensors');
  const data = flags.data === undefined ? generatedData(flags.seed) : await realData(flags.data);
  narrator.tell(`${data.readings.length} hourly readings: ${data.source}.`);
  await Promise.race([
    tellStory({ fleet, narrator, data }),
    interrupted.then(() => Promise.reject(new Error('interrupted'))),
  ]);
  narrator.chapter(`The end: ${narrator.checks} checks held, ${narrator.seconds.toFixed(0)} s.`);
  if (!flags.once) {
    printNextCommands(fleet, narrator);
    await interrupted;
  }
} catch (error) {
  const text = error instanceof Error ? error.message : String(error);
  exitCode = interruption.signal.aborted ? EXIT_INTERRUPTED : 1;
  console.error(`\ndemo: ${text}`);
  if (exitCode === 1) console.error(`Logs and data are kept in ${folder}`);
}
await programs.stopAll();
if (exitCode !== 1 && !flags.keep) await rm(folder, { recursive: true, force: true });
process.exit(exitCode);
