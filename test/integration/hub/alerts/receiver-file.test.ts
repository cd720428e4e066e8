import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readReceivers } from '../../../../hub/alerts/receiver-file.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const secret = 'a secret of more than sixteen bytes';

describe('the file of receivers', () => {
  async function refusalOf(text: string): Promise<string> {
    const folder = await tempFolder();
    await writeFile(join(folder, 'secret'), secret);
    await writeFile(join(folder, 'short'), 'hush');
    await writeFile(join(folder, 'receivers.yaml'), text);
    const error = await readReceivers(join(folder, 'receivers.yaml')).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: 'bad_input' });
    return (error as Error).message;
  }
  const hook = (url: string, more = 'secretFile: secret') =>
    `receivers: [{ name: a, kind: webhook, url: "${url}", ${more} }]`;

  it.each([
    [hook('http://on-call.example/'), 'http to another machine'],
    [hook('http://127.0.0.1.example/'), 'http to another machine'],
    [hook('file:///etc/passwd'), 'https:// or http://'],
    [hook('https://user:pass@on-call.example/'), 'holds a password'],
    [hook('https://on-call.example/', 'secretFile: short'), 'shorter than 16 bytes'],
    [hook('https://on-call.example/', 'secretFile: absent'), 'no such file'],
    [hook('https://on-call.example/', 'secret: hush'), 'Cannot read the receivers'],
    ['receivers: [{ name: a, kind: pager, url: "https://x.example" }]', 'Cannot read the receivers'],
    [
      'receivers: [{ name: a, kind: alertmanager, url: "https://x" }, { name: a, kind: alertmanager, url: "https://y" }]',
      'two receivers "a"',
    ],
    ['receivers: [', 'receivers.yaml'],
  ])('is refused: %s', async (text, reason) => {
    const message = await refusalOf(text);
    expect(message).toContain(reason);
    expect(message).not.toContain('hush');
  });

  it('may name another machine over http where the file allows it, and secrets of the Standard Webhooks form', async () => {
    const folder = await tempFolder();
    await writeFile(join(folder, 'secret'), `whsec_${Buffer.from(secret).toString('base64')}\n`);
    await writeFile(
      join(folder, 'receivers.yaml'),
      hook('http://on-call.example/', 'secretFile: secret, plaintext: true'),
    );
    const [receiver] = await readReceivers(join(folder, 'receivers.yaml'));
    expect(receiver).toMatchObject({ url: new URL('http://on-call.example/'), secret: Buffer.from(secret) });
    expect(await readReceivers('')).toEqual([]);
  });
});
