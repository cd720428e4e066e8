/** One thing that `doctor` looked at; what is wrong comes with the way out. */
export interface Check {
  readonly name: string;
  readonly verdict: 'ok' | 'warn' | 'fail';
  readonly found: string;
  readonly wayOut?: string;
}
