import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { RunningHub } from '../../../support/running-hub.ts';
import { tlsCaller } from '../../../support/tls-caller.ts';

let hub: RunningHub;
beforeAll(async () => {
  hub = await RunningHub.start();
}, 60_000);
afterAll(() => hub?.stop());

it('the page of the API runs its own scripts and styles, and nothing inline or of another host', async () => {
  const call = tlsCaller(hub, 'none');
  const page = await call('GET', '//docs/');
  expect(page.status).toBe(200);
  const policy = page.headers['content-security-policy']!;
  expect(policy).toContain("script-src 'self'; style-src 'self';");
  expect(policy).not.toMatch(/unsafe-inline|unsafe-eval|https:/);
  const html = page.bytes.toString();
  const parts = [...html.matchAll(/(?:src|href)="\.\/(static\/[^"]+\.(?:js|css))"/g)].map(([, path]) => path);
  expect(parts.length).toBeGreaterThan(4);
  for (const path of parts) expect(await call('GET', `//docs/${path}`)).toMatchObject({ status: 200 });
  // What the policy would forbid.
  expect(html).not.toMatch(/<script(?![^>]*src=)|<style|\son\w+=|style="/);
});

it('the description names the public URL first, where there is one', async () => {
  const serversOf = async (of: RunningHub) =>
    (await tlsCaller(of, 'none')('GET', '//openapi.json')).json.servers.map(
      ({ url }: { url: string }) => url,
    );
  expect(await serversOf(hub)).toEqual(['/']);
  const free = createServer().listen(0, '127.0.0.1');
  await once(free, 'listening');
  const httpPort = (free.address() as AddressInfo).port;
  await new Promise((resolve) => free.close(resolve));
  const publicUrl = `https://127.0.0.1:${httpPort}`;
  const proxied = await RunningHub.start({ options: { httpPort, publicUrl } });
  onTestFinished(() => proxied.stop());
  expect(await serversOf(proxied)).toEqual([publicUrl, '/']);
});
