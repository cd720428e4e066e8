/** One POST to a receiver: bounded in time, and of the answer no more is read than its status. Redirects are not followed. */
import { Agent, request } from 'undici';
import { systemCas } from '../../platform/system-trust.ts';
import { errorText } from '../../shared/base/app-error.ts';
import { limits } from '../../shared/base/limits.ts';
import type { SendPost } from './post.ts';

export class HttpPoster {
  readonly #ca: string | undefined;
  #agent: Agent | undefined;

  /** `ca`: PEM of the CAs that the receiver is verified with. */
  constructor(ca: string | undefined) {
    this.#ca = ca;
  }

  /** Never rejects. */
  readonly send: SendPost = async ({ url, headers, body, signal }) => {
    try {
      const timeoutMs = limits.alertAnswerMsMax;
      this.#agent ??= new Agent({
        connect: { ca: this.#ca ?? systemCas(), timeout: timeoutMs },
        headersTimeout: timeoutMs,
        bodyTimeout: timeoutMs,
        maxResponseSize: limits.alertAnswerBytesMax,
      });
      const timeout = AbortSignal.timeout(timeoutMs);
      const answer = await request(url, {
        method: 'POST',
        dispatcher: this.#agent,
        headers: { 'content-type': 'application/json', 'user-agent': 'modelfleet', ...headers },
        body,
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
      const { statusCode: status } = answer;
      // The body is not needed; a receiver that sends one without end has accepted the notification all the same.
      await answer.body.dump({ limit: limits.alertAnswerBytesMax }).catch(() => undefined);
      return status >= 200 && status < 300 ? { status } : { status, fault: `status ${status}` };
    } catch (error) {
      return { fault: errorText(error) || 'no answer' };
    }
  };

  async close(): Promise<void> {
    await this.#agent?.destroy();
  }
}
