/**
 * Records of stored predictions, as they stand one after another in a segment: length, checksum, kind, and what the kind holds.
 * A record that a crash left half written, or the disk damaged, ends what can be read of its segment.
 */
import { crc32 } from 'node:zlib';
import { Type } from 'typebox';
import { decodeCbor, encodeCbor } from '../../shared/base/cbor.ts';
import { limits } from '../../shared/base/limits.ts';
import { Digest, ModelName, RolloutId, SemVer } from '../../shared/base/names.ts';
import { parser } from '../../shared/base/parse.ts';
import { LabelRule } from '../../shared/manifest/model-manifest.ts';
import type { Label } from '../../shared/telemetry/label-reading.ts';
import type { CountedVersion } from './observation.ts';

/** What a model predicted for each row of one answer. No input is in it. */
export interface Prediction {
  readonly id: string;
  readonly rows: readonly Label[];
  /** In thousandths; undefined for a row, or for all, where the output does not tell. */
  readonly confidences?: readonly (number | undefined)[] | undefined;
}

/** First bytes of a segment. */
export const segmentHead = Buffer.from('mfpred1\n', 'latin1');

/** Length and checksum, which stand before the body of a record. */
export const frameBytes = 8;
const recordKind = { version: 1, answer: 2, label: 3 } as const;

const StoredVersion = Type.Object({
  model: ModelName,
  version: SemVer,
  manifestSha256: Digest,
  rollout: Type.Optional(RolloutId),
  offer: Type.Optional(Type.Integer({ minimum: 1 })),
  label: LabelRule,
  classes: Type.Optional(Type.Array(Type.String({ maxLength: 128 }), { maxItems: limits.classesMax })),
});
/** A number that is not finite, which is right for no label, is stored as null. */
const storedLabel = Type.Union([Type.Number(), Type.String(), Type.Null()]);
const StoredAnswer = Type.Tuple([
  Type.String({ minLength: 1 }),
  Type.Array(storedLabel, { maxItems: limits.rowsPerPredictionMax }),
  Type.Union([
    Type.Null(),
    Type.Array(Type.Union([Type.Integer({ minimum: 0, maximum: 1_000 }), Type.Null()]), {
      maxItems: limits.rowsPerPredictionMax,
    }),
  ]),
]);
const parseVersion = parser(StoredVersion, 'a stored version');
const parseAnswer = parser(StoredAnswer, 'a stored answer');

export interface AnswerPlace {
  readonly hash: number;
  /** Where in the segment its version stands. */
  readonly versionAt: number;
  readonly at: number;
}

const ANSWER_HEAD_BYTES = 17;
const LABEL_BYTES = 9;

/** Undefined for a version without a label rule. */
export function versionRecord({ manifest, ...version }: CountedVersion): Buffer | undefined {
  const { label, interface: face } = manifest;
  if (!label) return undefined;
  const { model, version: name, manifestSha256, rollout, offer } = version;
  const stored = {
    model,
    version: name,
    manifestSha256,
    ...(rollout !== undefined && { rollout }),
    ...(offer !== undefined && { offer }),
    label,
    ...(face.classes && { classes: face.classes }),
  };
  const encoded = encodeCbor(stored);
  return framed(recordKind.version, 1 + encoded.length, (body) => body.set(encoded, 1));
}

/** What of an answer is the same wherever it stands. */
export function encodeAnswer({ id, rows, confidences }: Prediction): Uint8Array {
  return encodeCbor([
    id,
    rows.map((label) => (typeof label === 'number' && !Number.isFinite(label) ? null : label)),
    confidences?.map((one) => one ?? null) ?? null,
  ]);
}

/** Bytes of the record of an encoded answer. */
export function answerBytes(answer: Uint8Array): number {
  return frameBytes + ANSWER_HEAD_BYTES + answer.length;
}

export function answerRecord({ hash, versionAt, at }: AnswerPlace, answer: Uint8Array): Buffer {
  return framed(recordKind.answer, ANSWER_HEAD_BYTES + answer.length, (body) => {
    body.writeUInt32BE(hash, 1);
    body.writeUInt32BE(versionAt, 5);
    body.writeDoubleBE(at, 9);
    body.set(answer, ANSWER_HEAD_BYTES);
  });
}

/** That the answer got its label: which one of its segment, counted from 0. */
export function labelRecord(segment: number, ordinal: number): Buffer {
  return framed(recordKind.label, LABEL_BYTES, (body) => {
    body.writeUInt32BE(segment, 1);
    body.writeUInt32BE(ordinal, 5);
  });
}

/** `write` fills the body behind its first byte, which is the kind. */
function framed(kind: number, bytes: number, write: (body: Buffer) => void): Buffer {
  // Of Node's pool, unlike `alloc`: there is one for each answer.
  const record = Buffer.allocUnsafe(frameBytes + bytes);
  const body = record.subarray(frameBytes);
  body[0] = kind;
  write(body);
  record.writeUInt32BE(bytes);
  record.writeUInt32BE(crc32(body), 4);
  return record;
}

/** Calls `onRecord` with each whole record after the head. Returns where the whole ones end; 0 when the head is not ours. */
export function scanRecords(bytes: Buffer, onRecord: (body: Buffer, at: number) => void): number {
  if (!bytes.subarray(0, segmentHead.length).equals(segmentHead)) return 0;
  let at = segmentHead.length;
  for (;;) {
    const body = recordAt(bytes, at);
    if (!body) return at;
    onRecord(body, at);
    at += frameBytes + body.length;
  }
}

/** The body of the record that begins at `at`; undefined when it is not whole. */
export function recordAt(bytes: Buffer, at: number): Buffer | undefined {
  if (at + frameBytes >= bytes.length) return undefined;
  const end = at + frameBytes + bytes.readUInt32BE(at);
  if (end > bytes.length || end === at + frameBytes) return undefined;
  const body = bytes.subarray(at + frameBytes, end);
  return bytes.readUInt32BE(at + 4) === crc32(body) ? body : undefined;
}

/** Undefined for a record of another kind, also for one of a newer agent. */
export function answerPlace(body: Buffer): AnswerPlace | undefined {
  if (body[0] !== recordKind.answer || body.length < ANSWER_HEAD_BYTES) return undefined;
  return { hash: body.readUInt32BE(1), versionAt: body.readUInt32BE(5), at: body.readDoubleBE(9) };
}

export interface LabelPlace {
  readonly segment: number;
  readonly ordinal: number;
}

export function labelPlace(body: Buffer): LabelPlace | undefined {
  if (body[0] !== recordKind.label || body.length !== LABEL_BYTES) return undefined;
  return { segment: body.readUInt32BE(1), ordinal: body.readUInt32BE(5) };
}

/** Throws `bad_input`. */
export function readAnswer(body: Buffer): Prediction {
  const [id, rows, confidences] = parseAnswer(
    decodeCbor(body.subarray(ANSWER_HEAD_BYTES), 'a stored answer', body.length),
  );
  return {
    id,
    rows: rows.map((label) => label ?? Number.NaN),
    ...(confidences && { confidences: confidences.map((one) => one ?? undefined) }),
  };
}

/** Throws `bad_input`. */
export function readVersion(body: Buffer): CountedVersion {
  const what = 'a stored version';
  const { label, classes, ...version } = parseVersion(decodeCbor(body.subarray(1), what, body.length));
  return { ...version, manifest: { label, interface: { ...(classes && { classes }) } } };
}
