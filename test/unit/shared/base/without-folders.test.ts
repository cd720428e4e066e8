import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hideFolders, withoutFolders } from '../../../../shared/base/without-folders.ts';

describe('withoutFolders()', () => {
  it('takes a quoted path whole, spaces and all', () => {
    const text = 'Load model from "/var/lib/agent of acme/slots/ab12/model.onnx" failed';
    expect(withoutFolders(text)).toBe('Load model from "model.onnx" failed');
  });

  it.each([
    [
      'Load model from /var/lib/modelfleet/slots/ab/model.onnx failed:File',
      'Load model from model.onnx failed:File',
    ],
    [
      "ENOENT: no such file or directory, open '/home/ann/agent data/slots.json'",
      "ENOENT: no such file or directory, open 'slots.json'",
    ],
    ['Cannot write "/data/chunks/ab/cd": no space', 'Cannot write "cd": no space'],
    ['Cannot open "C:\\Users\\ann\\agent\\slots.json".', 'Cannot open "slots.json".'],
    ['(/opt/agent/dist/runner/main.js) ended', '(main.js) ended'],
    ['path=/srv/a/b', 'path=b'],
    ["open '/home/ann agent/sl…", "open '…"],
    ['it\'s "/a/b c/d", open "/home/ann ag…', 'it\'s "d", open "…'],
  ])('keeps the last name of a path: %s', (text, wanted) => {
    expect(withoutFolders(text)).toBe(wanted);
  });

  it.each([
    'https://hub.example:8443/api/v1/devices is not there',
    '12 MB/s of 40 MB/s, n/a, and/or, 3/4',
    'Look at GET /v2',
    'model "air/quality" of 2026-11-26T18:00:00Z',
    'a / b / c',
  ])('leaves alone what is no path of a file: %s', (text) => {
    expect(withoutFolders(text)).toBe(text);
  });

  it('leaves no folder of any path, and takes no long time for any text', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9_-]{3,12}$/);
    fc.assert(
      fc.property(fc.array(name, { minLength: 2, maxLength: 6 }), (names) => {
        const shown = withoutFolders(`open /top-folder/${names.join('/')} failed`);
        expect(shown).toBe(`open ${names.at(-1)} failed`);
      }),
    );
    const startedMs = performance.now();
    for (const unit of ['/', '"/', '/a', '\\', "'/a b", 'C:/']) withoutFolders(unit.repeat(2_000));
    expect(performance.now() - startedMs).toBeLessThan(5_000);
  });
});

it('hideFolders() reaches every text of a message', () => {
  const event = {
    fault: { code: 'model_does_not_load', message: 'from /var/lib/x/model.onnx' },
    n: 1,
    list: ['/a/b/c'],
  };
  expect(JSON.parse(JSON.stringify(event, hideFolders))).toEqual({
    fault: { code: 'model_does_not_load', message: 'from model.onnx' },
    n: 1,
    list: ['c'],
  });
});
