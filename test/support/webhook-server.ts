/** A receiver of webhooks over HTTP that checks signatures by itself, with `node:crypto` alone, and answers with the status that the test wants. */
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';

export interface ReceivedPost {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Of JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: whatever was sent.
  readonly json: any;
  /** What it was answered with. */
  readonly status: number;
}

export class WebhookServer {
  readonly url: string;
  readonly posts: ReceivedPost[] = [];
  /** Status of the answer to the n-th post, from 0. */
  answer: (n: number) => number | 'never' = () => 200;

  private constructor(port: number) {
    this.url = `http://127.0.0.1:${port}`;
  }

  static async start(): Promise<WebhookServer> {
    let webhook: WebhookServer | undefined;
    const server = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const { posts, answer } = webhook!;
        const status = answer(posts.length);
        const body = Buffer.concat(chunks).toString();
        const { url: path = '', headers } = request;
        posts.push({ path, headers, body, json: JSON.parse(body), status: status === 'never' ? 0 : status });
        if (status === 'never') return;
        response.writeHead(status, status === 307 ? { location: 'http://127.0.0.1:1/' } : {}).end('thanks');
      });
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.closeAllConnections();
      server.close();
    });
    webhook = new WebhookServer((server.address() as AddressInfo).port);
    return webhook;
  }

  /** What was accepted. */
  get accepted(): readonly ReceivedPost[] {
    return this.posts.filter(({ status }) => status === 200);
  }
}

/** Whether the headers prove that a holder of the secret sent the body, as the Standard Webhooks specification has it. */
export function isSigned({ headers, body }: ReceivedPost, secret: string): boolean {
  const signed = `${headers['webhook-id']}.${headers['webhook-timestamp']}.${body}`;
  return (
    headers['webhook-signature'] === `v1,${createHmac('sha256', secret).update(signed).digest('base64')}`
  );
}
