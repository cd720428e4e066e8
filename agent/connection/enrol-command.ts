/** `modelfleet-agent enrol`. */
import { hostname } from 'node:os';
import { Command } from 'commander';
import { readGivenFile, unreadableReason } from '../../platform/regular-file.ts';
import { readTokenFlags } from '../../platform/secret-input.ts';
import { usageValue } from '../../platform/usage-value.ts';
import { AppError } from '../../shared/base/app-error.ts';
import { formatDuration } from '../../shared/base/duration.ts';
import { limits } from '../../shared/base/limits.ts';
import { safeLines } from '../../shared/base/safe-text.ts';
import { readDeviceFacts } from './device-facts.ts';

export interface EnrolCommandProps {
  readonly agentVersion: string;
  readonly dataFolderDefault: string;
  /** Execution providers this agent can offer. */
  readonly providers: readonly string[];
}

const CLOCK_OFF_MS = 60_000;

interface EnrolFlags {
  readonly token?: string;
  readonly tokenFile?: string;
  readonly caFile?: string;
  readonly id?: string;
  readonly data: string;
  readonly force?: boolean;
}

export function enrolCommand({ agentVersion, dataFolderDefault, providers }: EnrolCommandProps): Command {
  return new Command('enrol')
    .description('make this machine a device of a hub, with a join token')
    .option(
      '--token-file <FILE>',
      'file with the join token from "modelfleet devices token create"; - for standard input (default: the token in MODELFLEET_JOIN_TOKEN)',
    )
    .option('--token <TOKEN>', 'the join token itself; other users of the machine can read it')
    .option(
      '--ca-file <FILE>',
      'CAs that verify the hub where the join token names none, PEM (default: those of the system)',
    )
    .option('--id <ID>', 'id of the device: 1-64 of A-Z a-z 0-9 . _ - (default: host name)')
    .option('--data <DIR>', 'data folder of the agent', dataFolderDefault)
    .option('--force', 'replace the identity that the data folder holds')
    .action(async (flags: EnrolFlags) => {
      // Loaded here: only this command makes certificates, and the daemon should not carry the code.
      const { enrol, parseDeviceId } = await import('./enrolment.ts');
      const enrolled = await enrol({
        token: await readToken(flags),
        ...(flags.caFile !== undefined && { restCas: await readCaFile(flags.caFile) }),
        deviceId: usageValue(() => parseDeviceId(flags.id ?? deviceIdFromHost())),
        folder: flags.data,
        facts: readDeviceFacts({ agentVersion, providers }),
        force: flags.force ?? false,
      });
      process.stdout.write(
        safeLines([
          `Enrolled "${enrolled.device}" in group "${enrolled.group}" at ${enrolled.hub}.`,
          ...clockNote(enrolled.clockBehindMs),
          `Start it: modelfleet-agent run --data ${flags.data}`,
        ]),
      );
    });
}

/** What an operator should know before the first certificate or statement is refused for its time. */
export function clockNote(behindMs: number): readonly string[] {
  if (Math.abs(behindMs) < CLOCK_OFF_MS) return [];
  const direction = behindMs > 0 ? 'behind' : 'ahead of';
  return [
    `The clock of this device is ${formatDuration(Math.abs(behindMs))} ${direction} that of the hub. Set it (NTP).`,
  ];
}

async function readToken(flags: EnrolFlags): Promise<string> {
  const token = (await readTokenFlags(flags)) ?? process.env['MODELFLEET_JOIN_TOKEN'];
  if (token) return token.trim();
  throw new AppError(
    'bad_usage',
    'Cannot enrol: no join token was given. Use --token-file FILE, --token-file - with the token on standard input, or MODELFLEET_JOIN_TOKEN.',
  );
}

async function readCaFile(file: string): Promise<string> {
  try {
    return String(await readGivenFile(file, limits.certificateChainBytesMax));
  } catch (cause) {
    throw new AppError('bad_input', `Cannot read --ca-file "${file}": ${unreadableReason(cause)}.`, {
      cause,
    });
  }
}

/** Host names may hold what ids may not, and be longer. */
function deviceIdFromHost(): string {
  return hostname()
    .replaceAll(/[^A-Za-z0-9._-]/g, '-')
    .slice(0, limits.nameCharsMax);
}
