import { createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import forge from 'node-forge';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type KeyAndCsr, makeCsr, makeKeyAndCsr } from '../../../../agent/connection/csr.ts';
import { Authority } from '../../../../hub/pki/authority.ts';
import { systemClock } from '../../../../platform/system-clock.ts';
import { BrokerWorld } from '../../../support/broker-world.ts';
import { tempFolder } from '../../../support/temp-folder.ts';

const clock = systemClock;

describe('the authority', () => {
  it('stays the same over restarts, in files for its owner alone', async () => {
    const folder = await tempFolder();
    const first = await Authority.open(folder, { clock, advertise: [] });
    const second = await Authority.open(folder, { clock, advertise: [] });
    expect(second.caSha256).toBe(first.caSha256);
    expect(second.serverCertPem).toBe(first.serverCertPem);
    expect((await readdir(folder)).sort()).toEqual(['ca.pem', 'server.pem']);
    for (const name of ['ca.pem', 'server.pem']) {
      expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600);
    }
    const ca = new X509Certificate(first.caPem);
    expect(ca.ca && ca.verify(ca.publicKey)).toBe(true);
    expect(new X509Certificate(first.serverCertPem).ca).toBe(false);
  });

  it('makes the server certificate anew for a new name or near its end, under the same CA', async () => {
    const folder = await tempFolder();
    const first = await Authority.open(folder, { clock, advertise: ['hub.example', '10.1.2.3'] });
    const certificate = new X509Certificate(first.serverCertPem);
    for (const host of ['localhost', 'hub.example']) expect(certificate.checkHost(host)).toBe(host);
    for (const ip of ['127.0.0.1', '::1', '10.1.2.3']) expect(certificate.checkIP(ip)).toBe(ip);
    const renamed = await Authority.open(folder, { clock, advertise: ['other.example'] });
    expect(new X509Certificate(renamed.serverCertPem).checkHost('other.example')).toBe('other.example');
    expect(renamed.caSha256).toBe(first.caSha256);
    const later = { ...clock, now: () => clock.now() + 700 * 86_400_000 };
    const renewed = await Authority.open(folder, { clock: later, advertise: ['other.example'] });
    expect(renewed.serverCertPem).not.toBe(renamed.serverCertPem);
    expect(renewed.caSha256).toBe(first.caSha256);
  });

  it('refuses to start on a damaged CA rather than replace it', async () => {
    const folder = await tempFolder();
    await Authority.open(folder, { clock, advertise: [] });
    const file = join(folder, 'ca.pem');
    const server = await readFile(join(folder, 'server.pem'), 'utf8');
    const ca = await readFile(file, 'utf8');
    const at = (text: string) => text.indexOf('-----BEGIN CERTIFICATE');
    for (const content of [
      '',
      ca.slice(0, 900),
      ca.slice(at(ca)),
      server.slice(0, at(server)) + ca.slice(at(ca)),
    ]) {
      await writeFile(file, content);
      await expect(Authority.open(folder, { clock, advertise: [] })).rejects.toMatchObject({
        code: 'authority_damaged',
      });
    }
  });

  it('refuses to advertise what is no host', async () => {
    await expect(Authority.open(await tempFolder(), { clock, advertise: ['a b'] })).rejects.toMatchObject({
      code: 'bad_input',
    });
  });
});

describe('signing a device', () => {
  let world: BrokerWorld;
  let authority: Authority;
  let device: KeyAndCsr;
  beforeAll(async () => {
    world = await BrokerWorld.make();
    authority = world.authority;
    device = await makeKeyAndCsr('dev-1');
  });
  afterAll(() => world.remove());

  it('makes a client certificate of the device, its key and the CA', () => {
    const issued = authority.signDeviceCsr(device.csrPem, 'dev-1');
    const certificate = new X509Certificate(issued.certificatePem);
    expect(certificate.subject).toBe('CN=dev-1');
    expect(certificate.ca).toBe(false);
    expect(certificate.keyUsage).toEqual(['1.3.6.1.5.5.7.3.2']);
    expect(certificate.publicKey.equals(createPublicKey(device.keyPem))).toBe(true);
    expect(certificate.checkIssued(new X509Certificate(authority.caPem))).toBe(true);
    expect(certificate.verify(new X509Certificate(authority.caPem).publicKey)).toBe(true);
    expect(certificate.serialNumber.toLowerCase()).toBe(issued.serial);
    expect(certificate.fingerprint256.replaceAll(':', '').toLowerCase()).toBe(issued.sha256);
    expect(authority.signDeviceCsr(device.csrPem, 'dev-1').serial).not.toBe(issued.serial);
  });

  it('refuses a request for another device', () => {
    expect(() => authority.signDeviceCsr(device.csrPem, 'dev-2')).toThrow(
      /common name "dev-2" and nothing else/,
    );
  });

  it('refuses a request that its own key did not sign', async () => {
    const other = await makeKeyAndCsr('dev-1');
    const publicKey = createPublicKey(device.keyPem).export({ type: 'spki', format: 'pem' }).toString();
    const stolen = makeCsr('dev-1', publicKey, other.keyPem);
    expect(() => authority.signDeviceCsr(stolen, 'dev-1')).toThrow(/not signed by the key/);
  });

  it('refuses a key that is too short', () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', {
      modulusLength: 1024,
      publicKeyEncoding: { type: 'spki', format: 'pem' },
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
    });
    const weak = makeCsr('dev-1', publicKey, privateKey);
    expect(() => authority.signDeviceCsr(weak, 'dev-1')).toThrow(/1024 bits/);
  });

  it('refuses a SHA-1 signature', () => {
    const request = forge.pki.createCertificationRequest();
    request.publicKey = forge.pki.publicKeyFromPem(
      createPublicKey(device.keyPem).export({ type: 'spki', format: 'pem' }).toString(),
    );
    request.setSubject([{ name: 'commonName', value: 'dev-1' }]);
    request.sign(forge.pki.privateKeyFromPem(device.keyPem), forge.md.sha1.create());
    const pem = forge.pki.certificationRequestToPem(request);
    expect(() => authority.signDeviceCsr(pem, 'dev-1')).toThrow(/SHA-256/);
  });

  it('refuses a subject of more than the common name', () => {
    const request = forge.pki.createCertificationRequest();
    request.publicKey = forge.pki.publicKeyFromPem(
      createPublicKey(device.keyPem).export({ type: 'spki', format: 'pem' }).toString(),
    );
    request.setSubject([
      { name: 'commonName', value: 'dev-1' },
      { name: 'commonName', value: 'dev-2' },
    ]);
    request.sign(forge.pki.privateKeyFromPem(device.keyPem), forge.md.sha256.create());
    const pem = forge.pki.certificationRequestToPem(request);
    expect(() => authority.signDeviceCsr(pem, 'dev-1')).toThrow(/and nothing else/);
  });

  it.each([
    ['nothing', ''],
    ['no PEM', 'hello'],
    ['a certificate', 'CERT'],
    ['PEM of garbage', '-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----'],
    [
      'too much',
      `-----BEGIN CERTIFICATE REQUEST-----\n${'A'.repeat(20_000)}\n-----END CERTIFICATE REQUEST-----`,
    ],
  ])('refuses %s', (_what, text) => {
    const csr = text === 'CERT' ? authority.caPem : text;
    expect(() => authority.signDeviceCsr(csr, 'dev-1')).toThrow(expect.objectContaining({ code: 'bad_csr' }));
  });
});
