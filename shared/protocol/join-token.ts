/**
 * The join token: one line that bootstraps both roots of trust. `mfj1.` and base64url of JSON. It says where the hub
 * is, which CA the hub must prove, which trust root the agent must pin, and holds a secret that is used up.
 */
import { type Static, Type } from 'typebox';
import { AppError } from '../base/app-error.ts';
import { decodeBase64Url, encodeBase64Url } from '../base/base64.ts';
import { Digest } from '../base/names.ts';
import { jsonParser } from '../base/parse.ts';

const PREFIX = 'mfj1.';
const TOKEN_CHARS_MAX = 4_096;

export const JoinToken = Type.Object({
  /** Base URL of the hub's REST API. */
  hub: Type.String({ pattern: '^https://[^/\\s]{1,260}$' }),
  /** SHA-256 of the hub CA certificate (DER). */
  ca: Digest,
  /** SHA-256 of the TUF root file to pin. */
  root: Digest,
  secret: Type.String({ pattern: '^[A-Za-z0-9_-]{22,128}$' }),
  /**
   * What the REST API's certificate is verified with where it is not of the hub's CA: `system`, the CAs that the device trusts
   * anyway, or the SHA-256 of another CA. The hub's CA then comes with the answer, and must have the digest `ca`.
   */
  tls: Type.Optional(Type.Union([Type.Literal('system'), Digest])),
});
export type JoinToken = Static<typeof JoinToken>;
const parseJson = jsonParser(JoinToken, 'join token', TOKEN_CHARS_MAX);

export function encodeJoinToken(token: JoinToken): string {
  return PREFIX + encodeBase64Url(new TextEncoder().encode(JSON.stringify(token)));
}

/** Throws `bad_input` when the text is no join token. The text itself is a secret and is never quoted. */
export function parseJoinToken(text: string): JoinToken {
  const trimmed = text.trim();
  const isToken = trimmed.startsWith(PREFIX) && trimmed.length <= TOKEN_CHARS_MAX;
  const bytes = isToken ? decodeBase64Url(trimmed.slice(PREFIX.length)) : undefined;
  if (bytes === undefined) {
    throw new AppError(
      'bad_input',
      `Cannot read the join token: expected text that starts with "${PREFIX}", as "modelfleet devices token create" prints it.`,
    );
  }
  try {
    return parseJson(bytes);
  } catch (cause) {
    throw new AppError(
      'bad_input',
      'Cannot read the join token: it is damaged, cut off or of another version of modelfleet. Copy the whole line that was printed.',
      { cause },
    );
  }
}
