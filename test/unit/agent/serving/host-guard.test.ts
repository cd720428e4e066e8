import { describe, expect, it } from 'vitest';
import { hostGuard } from '../../../../agent/serving/host-guard.ts';

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
});
