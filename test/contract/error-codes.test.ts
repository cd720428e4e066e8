/** A code has an HTTP status exactly when an HTTP API can answer with it: the hub's REST API or the local API of an agent. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { errorCatalogue } from '../../shared/errors/catalogue.ts';
import type { ErrorEntry } from '../../shared/errors/error-entry.ts';
import { fetchDescription } from '../openapi/fetch-description.ts';
import { describedOperations } from '../support/described-api.ts';

const root = join(import.meta.dirname, '../..');
const answered = Object.entries<ErrorEntry>(errorCatalogue)
  .filter(([, { status }]) => status !== undefined)
  .map(([code]) => code);

/** Of the REST API, as its description names them. */
let described: ReadonlySet<string>;
/** Of requests that no operation is for, and of the local API itself. */
let beside: ReadonlySet<string>;
/** What a request to the local API can meet further inside: its tensors, its queue, its runner. */
let inside: ReadonlySet<string>;

/** The codes of the errors that the files of a folder make. */
async function codesMadeIn(folder: string): Promise<readonly string[]> {
  const files = (await readdir(join(root, folder))).filter((name) => name.endsWith('.ts'));
  const texts = await Promise.all(files.map((name) => readFile(join(root, folder, name), 'utf8')));
  return texts.flatMap((text) =>
    [...text.matchAll(/new AppError\(\s*'([a-z_]+)'/g)].map(([, code]) => code!),
  );
}

beforeAll(async () => {
  const operations = describedOperations(await fetchDescription());
  const schemas = operations
    .flatMap(({ responses }) => Object.values(responses))
    .flatMap(({ content }) => content?.['application/problem+json']?.schema.allOf ?? []);
  described = new Set(schemas.flatMap(({ properties }) => (properties?.['code']?.enum ?? []) as string[]));
  beside = new Set((await Promise.all(['hub/http', 'agent/local-api'].map(codesMadeIn))).flat());
  inside = new Set(
    (await Promise.all(['shared/inference', 'agent/serving', 'runner'].map(codesMadeIn))).flat(),
  );
}, 60_000);

describe('a code of the catalogue', () => {
  it('has a status when an operation of the hub names it', () => {
    expect(described.size).toBeGreaterThan(50);
    expect([...described].filter((code) => !answered.includes(code))).toEqual([]);
  });

  it('has a status when the local API of an agent makes it', () => {
    expect(beside.size).toBeGreaterThan(10);
    expect([...beside].filter((code) => !answered.includes(code))).toEqual([]);
  });

  it('has no status when no API can answer with it', () => {
    const reachable = [described, beside, inside].flatMap((codes) => [...codes]);
    expect(answered.filter((code) => !reachable.includes(code))).toEqual([]);
  });
});
