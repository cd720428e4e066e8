import { readdirSync } from 'node:fs';
import { createContext, runInContext } from 'node:vm';
import { build } from 'esbuild';
import { beforeAll, describe, expect, it } from 'vitest';
import { deviceAnswer } from '../../support/api-answers.ts';

/** Every file of these folders, and of shared/base what the tests call. */
const entry = [
  ...['api', 'protocol'].flatMap((folder) =>
    readdirSync(`shared/${folder}`).map((file) => `export * from './shared/${folder}/${file}';`),
  ),
  `export { parser } from './shared/base/parse.ts';`,
].join('\n');

/** What a page has and a bare context has not. Nothing of Node is among them. */
const pageGlobals = { TextEncoder, TextDecoder, URL, atob, btoa };

describe('shared/api and shared/protocol', () => {
  let code = '';

  beforeAll(async () => {
    const { outputFiles } = await build({
      stdin: { contents: entry, resolveDir: process.cwd(), loader: 'ts' },
      ...{ bundle: true, write: false, format: 'iife', globalName: 'shared', platform: 'browser' },
      logLevel: 'silent',
    });
    code = outputFiles[0]!.text;
  });

  /** What `expression` is in a page that has loaded the bundle; values come and go as JSON, for a page has its own classes. */
  function inPage(expression: string, values: Readonly<Record<string, unknown>> = {}): unknown {
    const context = createContext({ ...pageGlobals });
    runInContext(code, context);
    runInContext(`Object.assign(globalThis, JSON.parse(${JSON.stringify(JSON.stringify(values))}))`, context);
    return JSON.parse(String(runInContext(`JSON.stringify(${expression})`, context)));
  }

  it('read an answer of the hub in a page', () => {
    const answer = { ...deviceAnswer(), weather: 'a field of a newer hub' };
    const read = 'shared.parser(shared.clientSchema(shared.Device), "the answer")(JSON.parse(text))';
    expect(inPage(read, { text: JSON.stringify(answer) })).toEqual(answer);
  });

  it('refuse an answer that does not fit with the path to the fault', () => {
    const read = `(() => {
      try { shared.parser(shared.clientSchema(shared.Device), 'the answer')({ id: 7 }); }
      catch (error) { return { code: error.code, message: error.message }; }
    })()`;
    expect(inPage(read)).toEqual({ code: 'bad_input', message: expect.stringContaining('/id ') });
  });

  it('turn a problem into the error that it describes', () => {
    const problem = {
      ...{ type: 'urn:modelfleet:error:not_found', title: 'x', status: 404, code: 'not_found' },
      ...{ detail: 'Cannot find device "a".', instance: 'r-1', retry: 'never', fix: 'x' },
    };
    const error =
      '(({ code, message }) => ({ code, message }))(shared.errorOf(shared.parseProblem(problem)))';
    expect(inPage(error, { problem })).toEqual({ code: 'not_found', message: 'Cannot find device "a".' });
  });

  it('write and read a join token whose text needs more than ASCII', () => {
    const token = {
      hub: 'https://h\u00fcb.example',
      ca: 'a'.repeat(64),
      root: 'b'.repeat(64),
      secret: 's'.repeat(43),
    };
    expect(inPage('shared.parseJoinToken(shared.encodeJoinToken(token))', { token })).toEqual(token);
  });

  it('write and read a telemetry report, which is CBOR', () => {
    const report = {
      ...{ v: 1, stream: '0123456789abcdef', number: 1, from: 0, to: 60_000, dropped: 0, crashes: 0 },
      ...{ model: 'iris', version: '1.0.0', manifest: 'c'.repeat(64), requests: { ok: 3, failed: {} } },
      features: [{ name: 'x', counts: [0, 300, 70_000], missing: 2 }],
    };
    const again = 'shared.decodeTelemetryReport(shared.encodeTelemetryReport(report))';
    expect(inPage(again, { report })).toEqual(report);
  });
});
