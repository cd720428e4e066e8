/**
 * The audit log in a file that proves itself without the hub: a first line that says where the chain begins, a line for each row,
 * and the signed head of the last row. Whoever has a head that was kept before, and so the key of the hub, finds each line
 * that was changed, removed or added.
 */
import { createWriteStream } from 'node:fs';
import { rename } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import canonicalize from 'canonicalize';
import { type Static, Type } from 'typebox';
import { openRegularFile, unreadableReason } from '../platform/regular-file.ts';
import { AuditEvent, AuditEventPage, AuditHead, AuditVerdict } from '../shared/api/audit.ts';
import { AppError, errorText } from '../shared/base/app-error.ts';
import { limits } from '../shared/base/limits.ts';
import { Digest } from '../shared/base/names.ts';
import { jsonParser } from '../shared/base/parse.ts';
import { auditRowHash } from '../shared/tuf/audit-row-hash.ts';
import { answerParser } from './answer-parser.ts';
import { readHeadFile, verifyHead } from './audit-head.ts';
import type { HubClient } from './context.ts';

const FORMAT = 'modelfleet-audit-export';
const PAGE_ROWS = 500;
const Begin = Type.Object({
  format: Type.Literal(FORMAT),
  v: Type.Literal(1),
  /** Number of the first row. */
  from: Type.Integer({ minimum: 1 }),
  /** Hash of the row before it. */
  previousHash: Digest,
});
const End = Type.Object({ head: AuditHead });
const parsePage = answerParser(AuditEventPage);
const parseVerdict = answerParser(AuditVerdict);
const parseHead = answerParser(AuditHead);
const parseBegin = jsonParser(Begin, 'first line of the export', limits.auditExportLineBytesMax);
const parseEnd = jsonParser(End, 'last line of the export', limits.auditExportLineBytesMax);
const parseRow = jsonParser(AuditEvent, 'row of the export', limits.auditExportLineBytesMax);

export interface ExportedRows {
  readonly from: number;
  readonly to: number;
}

type Row = Static<typeof AuditEvent>;

/** Writes rows of `since` (milliseconds) and later, up to the head as it is now, to `file`. Throws `bad_input` when there are none. */
export async function exportAudit(
  hub: HubClient,
  { file, since }: { readonly file: string; readonly since?: number | undefined },
): Promise<ExportedRows> {
  const head = parseHead(await hub.get('/audit/head'));
  const [first] = parsePage(await hub.get('/audit', { sort: 'number', since, limit: 1 })).events;
  if (first === undefined || first.number > head.number)
    throw new AppError('bad_input', 'Cannot export the audit log: it has no row from that time or later.');
  const partial = `${file}.partial`;
  const lines = exportLines(hub, { first, head });
  await pipeline(Readable.from(lines), createWriteStream(partial, { mode: 0o600 }));
  await rename(partial, file);
  return { from: first.number, to: head.number };
}

async function* exportLines(
  hub: HubClient,
  { first, head }: { readonly first: Row; readonly head: AuditHead },
): AsyncGenerator<string> {
  const line = (value: unknown) => `${JSON.stringify(value)}\n`;
  let previousHash: string | undefined;
  for (let after: string | undefined; ; ) {
    const page = parsePage(await hub.get('/audit', { sort: 'number', after, limit: PAGE_ROWS }));
    for (const row of page.events) {
      if (row.number === first.number) {
        previousHash ??= await hashBeforeAll(hub, first);
        yield line({ format: FORMAT, v: 1, from: first.number, previousHash });
      }
      if (row.number >= first.number && row.number <= head.number) yield line(row);
      previousHash = row.hash;
    }
    if (page.next === undefined || (page.events.at(-1)?.number ?? 0) >= head.number) break;
    after = page.next;
  }
  yield line({ head });
}

/** Of the row before the first that is left: rows that have left are known by the checkpoint. */
async function hashBeforeAll(hub: HubClient, first: Row): Promise<string> {
  if (first.number === 1) return '0'.repeat(64);
  const { checkpoint } = parseVerdict(await hub.get('/audit/verify'));
  if (checkpoint?.number === first.number - 1) return checkpoint.hash;
  throw new AppError('audit_broken', `Cannot export the audit log: row ${first.number - 1} is missing.`);
}

/** Checks `file` against a head that was kept before. Throws `audit_broken`, `signature_invalid`, `bad_input`. */
export async function verifyExport(file: string, against: string): Promise<ExportedRows> {
  const kept = await readHeadFile(against);
  const broken = (reason: string) =>
    new AppError('audit_broken', `The export "${file}" does not verify: ${reason}.`);
  let begin: Static<typeof Begin> | undefined;
  let [number, hash] = [0, ''];
  let held: string | undefined;
  const passed = () => {
    if (number === kept.number && hash !== kept.hash)
      throw broken(`row ${number} does not have the hash in the kept head: it was rewritten`);
  };
  for await (const line of linesOf(file)) {
    if (begin === undefined) {
      begin = parseBegin(Buffer.from(line));
      [number, hash] = [begin.from - 1, begin.previousHash];
      passed();
      continue;
    }
    // The last line is no row.
    if (held !== undefined) {
      const row = parseRow(Buffer.from(held));
      if (row.number !== number + 1) throw broken(`row ${number + 1} is missing`);
      if (hashOf(row, hash) !== row.hash)
        throw broken(
          `the content of row ${row.number} does not match its hash, or the row before it was replaced`,
        );
      [number, hash] = [row.number, row.hash];
      passed();
    }
    held = line;
  }
  if (begin === undefined || held === undefined) throw broken('its end is missing');
  let end: AuditHead;
  try {
    end = parseEnd(Buffer.from(held)).head;
  } catch (cause) {
    throw broken(`its last line is not a signed head (${errorText(cause)})`);
  }
  const signed = verifyHead(end.envelope, kept.publicKey);
  if (signed.number !== number || signed.hash !== hash)
    throw broken(`it ends with row ${number}, but its signed head names row ${signed.number}`);
  return { from: begin.from, to: number };
}

function hashOf({ number, at, actor, address, action, target, details }: Row, previous: string): string {
  const text = canonicalize(details) as string;
  return auditRowHash({
    number,
    at,
    actor,
    address: address ?? null,
    action,
    target,
    details: text,
    previous_hash: previous,
  });
}

async function* linesOf(path: string): AsyncGenerator<string> {
  let input: NodeJS.ReadableStream;
  try {
    const file = await openRegularFile(path, { links: true });
    input = file.createReadStream();
  } catch (cause) {
    throw new AppError('bad_input', `Cannot read the export "${path}": ${unreadableReason(cause)}.`, {
      cause,
    });
  }
  for await (const line of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) yield line;
}
