import { describe, expect, it } from 'vitest';
import { hostGuard as makeGuard } from '../../../../agent/local-api/host-guard.ts';

/** The guard's check of a request with these headers. */
function hostGuard(listening: string) {
  const check = makeGuard(listening);
  return (headers: { host?: string | undefined; origin?: string }, url = '/v2', more: string[] = []) => {
    const rawHeaders = headers.host === undefined ? more : ['Host', headers.host, ...more];
    check({ url, headers, rawHeaders });
  };
}

const refused = expect.objectContaining({ code: 'host_refused' });

describe('hostGuard', () => {
  it('takes the names of this machine, with any port', () => {
    const check = hostGuard('127.0.0.1');
    for (const host of ['localhost', 'LOCALHOST:7470', '127.0.0.1:1', '[::1]:7470', '[::1]']) {
      expect(() => check({ host })).not.toThrow();
    }
  });

  it('refuses other names, also ones that only look like it', () => {
    const check = hostGuard('127.0.0.1');
    for (const host of [undefined, '', 'example.org', 'localhost.example.org:7470', '127.0.0.1.nip.io']) {
      expect(() => check({ host })).toThrow(refused);
    }
  });

  it('takes the address it listens on', () => {
    expect(() => hostGuard('10.0.0.5')({ host: '10.0.0.5:7470' })).not.toThrow();
  });

  it('takes any address when it listens on all, and still no name that a page could point here', () => {
    for (const host of ['0.0.0.0', '::']) {
      const check = hostGuard(host);
      for (const named of ['10.0.0.5:7470', '[fe80::1]:7470', 'localhost']) {
        expect(() => check({ host: named })).not.toThrow();
      }
      expect(() => check({ host: 'example.org:7470' })).toThrow(refused);
    }
    expect(() => hostGuard('127.0.0.1')({ host: '10.0.0.5:7470' })).toThrow(refused);
    expect(() => hostGuard('fe80::1')({ host: '[fe80::1]:7470' })).not.toThrow();
  });

  it('refuses pages of other origins', () => {
    const check = hostGuard('127.0.0.1');
    const host = '127.0.0.1:7470';
    expect(() => check({ host, origin: `http://${host}` })).not.toThrow();
    for (const origin of ['https://example.org', 'null', 'http://127.0.0.1:80']) {
      expect(() => check({ host, origin })).toThrow(refused);
    }
  });

  it('holds the host of an absolute URI to the same, whatever Host says', () => {
    const check = hostGuard('127.0.0.1');
    for (const url of [
      'http://localhost:7470/v2',
      'HTTP://127.0.0.1/v2',
      'http://[::1]',
      '//example.org/v2',
    ]) {
      expect(() => check({ host: 'localhost' }, url), url).not.toThrow();
    }
    for (const url of [
      'http://example.org/v2',
      'HTTPS://example.org:7470',
      'http://localhost@example.org/v2',
      'http://example.org\\@localhost/v2',
      'http://localhost.example.org?x',
      'http:///v2',
      'gopher://example.org/v2',
    ]) {
      expect(() => check({ host: 'localhost' }, url), url).toThrow(refused);
    }
    expect(() => check({ host: 'example.org' }, 'http://localhost/v2')).toThrow(refused);
  });

  it('takes no request with two hosts, also when they agree', () => {
    const check = hostGuard('127.0.0.1');
    const host = 'localhost';
    for (const more of [
      ['HOST', 'example.org'],
      ['Accept', '*/*', 'host', host],
    ]) {
      expect(() => check({ host }, '/v2', more)).toThrow(expect.objectContaining({ code: 'bad_input' }));
    }
    expect(() => check({ host }, '/v2', ['X-Note', 'host', 'X-Host', 'host'])).not.toThrow();
  });
});
