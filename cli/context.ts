/** What every command gets: a client of the hub, and a printer. Built once in main.ts. */

/** Paths are below `/api/v1`: `get('/devices')`. */
export interface HubClient {
  /** JSON answer of `GET path`. Throws the hub's own error (code, detail) as AppError; `hub_unreachable` when there is none. */
  get(path: string, query?: Readonly<Record<string, string | number | undefined>>): Promise<unknown>;
  post(path: string, body?: unknown): Promise<unknown>;
  patch(path: string, body: unknown): Promise<unknown>;
  delete(path: string): Promise<unknown>;
  /** `PUT path` with raw bytes. */
  putBytes(path: string, bytes: Uint8Array): Promise<unknown>;
  close(): Promise<void>;
}

export interface Column<T> {
  readonly title: string;
  readonly value: (row: T) => string | number;
  readonly align?: 'left' | 'right';
}

export interface Printer {
  /** True with `--json`: results are printed as JSON, notes are left out. */
  readonly json: boolean;
  /** The result of the command: `value` as JSON with `--json`, else what `text` gives: a line, or lines. Each is made safe. */
  result(value: unknown, text: () => string | readonly string[]): void;
  /** Lines, the titles first. */
  table<T>(rows: readonly T[], columns: readonly Column<T>[]): readonly string[];
  /** A remark or progress line for people, made safe, on standard error; nothing with `--json`. */
  note(text: string): void;
  /** That a list goes on after what was shown, on standard error: with `--json` as a line `{"more":{"after":…}}`. */
  more(after: string): void;
}

export interface CliContext {
  /** Client of the hub the user is logged in to (`--hub`, environment, or the saved login). Throws `not_logged_in`. */
  hub(): Promise<HubClient>;
  readonly printer: () => Printer;
  /** Exit code of a command that has worked and says with it what it found. */
  readonly endWith: (exitCode: number) => void;
}
