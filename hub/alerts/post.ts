/** How receivers are sent something; http-post.ts does it. */

/** `status` is absent when there was no answer. */
export interface PostOutcome {
  readonly status?: number;
  /** Absent when the receiver accepted it. */
  readonly fault?: string;
}

export interface Post {
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly signal?: AbortSignal;
}

export type SendPost = (post: Post) => Promise<PostOutcome>;
