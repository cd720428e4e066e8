/** The file of `--alert-receivers`: who is sent notifications, how, and of which alerts. Secrets are in files of their own. */
import { dirname, resolve } from 'node:path';
import { type Static, Type } from 'typebox';
import { readGivenFile } from '../../platform/regular-file.ts';
import { type AlertCode, alertSeverities } from '../../shared/api/alerts.ts';
import { AppError, errorText } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import { DeviceId } from '../../shared/base/names.ts';
import { parser } from '../../shared/base/parse.ts';
import { alertCatalogue, alertOwners } from './alert-catalogue.ts';
import { isAbout } from './alert-machine.ts';

const file = Type.String({ minLength: 1, maxLength: 4_096 });

const common = {
  name: Type.String({ ...DeviceId, description: 'Receiver name' }),
  url: Type.String({ minLength: 8, maxLength: 2_048 }),
  /** Only alerts of these severities, owners and subjects. */
  severities: Type.Optional(Type.Array(Type.Enum([...alertSeverities]), { minItems: 1 })),
  owners: Type.Optional(Type.Array(Type.Enum([...alertOwners]), { minItems: 1 })),
  subjects: Type.Optional(
    Type.Array(Type.String({ minLength: 1, maxLength: 129 }), { minItems: 1, maxItems: 256 }),
  ),
  /** PEM of the CAs that the receiver's certificate is verified with; by default those of the system. */
  caFile: Type.Optional(file),
  /** Allows http to another machine. */
  plaintext: Type.Optional(Type.Boolean()),
};

const closed = { additionalProperties: false };
const ReceiverFile = Type.Object(
  {
    receivers: Type.Array(
      Type.Union([
        Type.Object({ ...common, kind: Type.Literal('webhook'), secretFile: file }, closed),
        Type.Object(
          { ...common, kind: Type.Literal('alertmanager'), tokenFile: Type.Optional(file) },
          closed,
        ),
      ]),
      { maxItems: limits.alertReceiversMax },
    ),
  },
  closed,
);
type GivenReceiver = Static<typeof ReceiverFile>['receivers'][number];

interface ReceiverCommon {
  readonly name: string;
  readonly url: URL;
  readonly severities: readonly string[] | undefined;
  readonly owners: readonly string[] | undefined;
  readonly subjects: readonly string[] | undefined;
  readonly ca: string | undefined;
}
export interface WebhookReceiver extends ReceiverCommon {
  readonly kind: 'webhook';
  /** Key of the signatures. */
  readonly secret: Buffer;
}
export interface AlertmanagerReceiver extends ReceiverCommon {
  readonly kind: 'alertmanager';
  readonly token: string | undefined;
}
export type Receiver = WebhookReceiver | AlertmanagerReceiver;

const FILE_BYTES_MAX = 64 * 1024;
const SECRET_BYTES_MIN = 16;
/** As the Standard Webhooks specification writes secrets. */
const SECRET_PREFIX = 'whsec_';
const loopback = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/;

const parse = parser(ReceiverFile, 'the receivers of alerts');

/** None when `path` is empty. Throws `bad_input`, naming the file and the receiver at fault. */
export async function readReceivers(path: string): Promise<readonly Receiver[]> {
  if (path === '') return [];
  try {
    // Loaded here: most hubs have no receivers.
    const { parseYaml } = await import('../../platform/yaml-text.ts');
    const { receivers } = parse(parseYaml(String(await readGivenFile(path, FILE_BYTES_MAX))));
    const names = new Set<string>();
    for (const { name } of receivers) {
      if (names.has(name)) throw new AppError('bad_input', `there are two receivers "${name}".`);
      names.add(name);
    }
    return await Promise.all(receivers.map((given) => readReceiver(given, dirname(path))));
  } catch (cause) {
    throw new AppError('bad_input', `Cannot use --alert-receivers ${path}: ${errorText(cause)}`, { cause });
  }
}

async function readReceiver(given: GivenReceiver, folder: string): Promise<Receiver> {
  const { name, severities, owners, subjects, caFile } = given;
  const read = async (path: string) => String(await readGivenFile(resolve(folder, path), FILE_BYTES_MAX));
  const common = {
    name,
    url: receiverUrl(given),
    severities,
    owners,
    subjects,
    ca: caFile === undefined ? undefined : await read(caFile),
  };
  if (given.kind === 'webhook') {
    return { ...common, kind: 'webhook', secret: secretOf(name, (await read(given.secretFile)).trim()) };
  }
  const token = given.tokenFile === undefined ? undefined : (await read(given.tokenFile)).trim();
  return { ...common, kind: 'alertmanager', token };
}

function receiverUrl({ name, url: text, plaintext }: GivenReceiver): URL {
  const url = URL.parse(text);
  const refuse = (reason: string) => new AppError('bad_input', `the URL of receiver "${name}" ${reason}.`);
  if (!url || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw refuse('does not begin with https:// or http://');
  }
  if (url.username !== '' || url.password !== '') throw refuse('holds a password: use a file for secrets');
  if (url.protocol === 'http:' && !plaintext && !loopback.test(url.hostname)) {
    throw refuse(
      'is http to another machine, which sends alerts unencrypted: use https, or set "plaintext: true"',
    );
  }
  return url;
}

function secretOf(name: string, text: string): Buffer {
  const secret = text.startsWith(SECRET_PREFIX)
    ? Buffer.from(text.slice(SECRET_PREFIX.length), 'base64')
    : Buffer.from(text);
  if (secret.byteLength >= SECRET_BYTES_MIN) return secret;
  throw new AppError(
    'bad_input',
    `the secret of receiver "${name}" is shorter than ${SECRET_BYTES_MIN} bytes.`,
  );
}

/** The alerts that the receiver wants. */
export function wantedBy<
  T extends { readonly code: AlertCode; readonly severity: string; readonly subject: string },
>(
  { severities, owners, subjects }: Pick<Receiver, 'severities' | 'owners' | 'subjects'>,
  alerts: readonly T[],
): readonly T[] {
  return alerts.filter(
    ({ code, severity, subject }) =>
      (severities?.includes(severity) ?? true) &&
      (owners?.includes(alertCatalogue[code].owner) ?? true) &&
      (subjects?.some((wanted) => isAbout(subject, wanted)) ?? true),
  );
}
