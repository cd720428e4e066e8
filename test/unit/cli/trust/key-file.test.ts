import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { findPassphrase, readKeyFile, writeKeyFile } from '../../../../cli/trust/key-file.ts';
import { makeNewTrust, requireNoKeys, saveNewTrust } from '../../../../cli/trust/new-trust.ts';
import { keyIdOfKey, publicKeyPem } from '../../../../shared/tuf/ed25519-key.ts';
import { tempFolder } from '../../../support/temp-folder.ts';
import { newKey } from '../../../support/trust-world.ts';

const PASSPHRASE = 'correct horse battery';
const refusal = (text: string) =>
  expect.objectContaining({ code: 'key_unreadable', message: expect.stringContaining(text) });

describe('key files', () => {
  it('come back with the passphrase, encrypted and for their owner alone', async () => {
    const file = join(await tempFolder(), 'key.pem');
    const key = newKey();
    await writeKeyFile(file, key, PASSPHRASE);
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(await readFile(file, 'utf8')).toContain('BEGIN ENCRYPTED PRIVATE KEY');
    expect(keyIdOfKey(await readKeyFile(file, PASSPHRASE))).toBe(keyIdOfKey(key));
  });

  it('take 600 000 rounds of PBKDF2 to try a passphrase on, as OpenSSL reads them, and files of 2 048 are read too', async () => {
    const folder = await tempFolder();
    const key = newKey();
    await writeKeyFile(join(folder, 'key.pem'), key, PASSPHRASE);
    const pem = await readFile(join(folder, 'key.pem'), 'utf8');
    const der = Buffer.from(pem.replaceAll(/-----[^-]+-----|\n/g, ''), 'base64').toString('hex');
    // INTEGER 600 000, then HMAC with SHA-256.
    expect(der).toContain('02030927c0300c06082a864886f70d02090500');
    const opened = createPrivateKey({ key: pem, passphrase: PASSPHRASE });
    expect(publicKeyPem(opened)).toBe(publicKeyPem(key));
    const old = key.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: PASSPHRASE });
    await writeFile(join(folder, 'old.pem'), old);
    expect(publicKeyPem(await readKeyFile(join(folder, 'old.pem'), PASSPHRASE))).toBe(publicKeyPem(key));
  });

  it('are refused with a wrong passphrase or none, and the message says which', async () => {
    const file = join(await tempFolder(), 'key.pem');
    await writeKeyFile(file, newKey(), PASSPHRASE);
    await expect(readKeyFile(file, 'something else')).rejects.toEqual(refusal('passphrase is wrong'));
    await expect(readKeyFile(file, undefined)).rejects.toEqual(refusal('no passphrase was given'));
  });

  it('are refused when they are absent, no key, or a key of another kind', async () => {
    const folder = await tempFolder();
    await expect(readKeyFile(join(folder, 'none'), PASSPHRASE)).rejects.toEqual(
      refusal('there is no such file'),
    );
    await writeFile(join(folder, 'text'), 'hello');
    await expect(readKeyFile(join(folder, 'text'), PASSPHRASE)).rejects.toEqual(refusal('no private key'));
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    await writeFile(join(folder, 'ec'), privateKey.export({ type: 'pkcs8', format: 'pem' }));
    await expect(readKeyFile(join(folder, 'ec'), undefined)).rejects.toEqual(refusal('expected ed25519'));
  });

  it('are not written with a short passphrase', async () => {
    const file = join(await tempFolder(), 'key.pem');
    await expect(writeKeyFile(file, newKey(), 'short')).rejects.toMatchObject({ code: 'bad_input' });
    await expect(writeKeyFile(file, newKey(), 'x'.repeat(2_000))).rejects.toMatchObject({
      code: 'bad_input',
    });
  });

  it('take the passphrase from a file before the environment', async () => {
    const file = join(await tempFolder(), 'passphrase');
    await writeFile(file, 'from the file\nsecond line\n');
    const environment = { MODELFLEET_PASSPHRASE: 'from the environment' };
    expect(await findPassphrase(file, environment)).toBe('from the file');
    expect(await findPassphrase(undefined, environment)).toBe('from the environment');
    expect(await findPassphrase(undefined, {})).toBeUndefined();
    await expect(findPassphrase(`${file}.none`, environment)).rejects.toEqual(refusal('passphrase file'));
  });
});

describe('new trust', () => {
  const info = () => {
    const key = newKey();
    return { keyid: keyIdOfKey(key), publicKeyPem: publicKeyPem(key) };
  };
  const options = () => ({
    online: { snapshot: info(), timestamp: info(), director: info() },
    rootKeys: 3,
    rootThreshold: 2,
    nowMs: 0,
  });

  it('writes one encrypted file per key and what the offline roles need to sign again', async () => {
    const folder = join(await tempFolder(), 'keys');
    const made = makeNewTrust(options());
    await saveNewTrust(made, folder, PASSPHRASE);
    for (const name of ['root-1', 'root-2', 'root-3', 'targets', 'publisher']) {
      const key = await readKeyFile(join(folder, `${name}.pem`), PASSPHRASE);
      expect(keyIdOfKey(key)).toBe(keyIdOfKey(made.keys.get(name)!));
    }
    expect(await readFile(join(folder, 'root.json'))).toEqual(made.files.root);
  });

  it('does not write over keys', async () => {
    const folder = await tempFolder();
    await requireNoKeys(folder);
    await writeFile(join(folder, 'publisher.pem'), '');
    await expect(requireNoKeys(folder)).rejects.toMatchObject({
      code: 'bad_input',
      message: expect.stringContaining('publisher.pem'),
    });
  });

  it.each([
    [0, 1],
    [2, 3],
    [1, 0],
    [17, 1],
  ])('refuses %i root keys with threshold %i', (rootKeys, rootThreshold) => {
    expect(() => makeNewTrust({ ...options(), rootKeys, rootThreshold })).toThrow(/expected 1 to 16 keys/);
  });
});
