import type { AuditAction } from '../../shared/api/audit.ts';

/** One action: who did what to what, when, from where (promise P8). */
export interface AuditEvent {
  /** `token:<name>`, `device:<id>`, `hub`, or `anonymous` for a caller that proved no identity. */
  readonly actor: string;
  readonly address?: string;
  readonly action: AuditAction;
  /** What it was done to: `rollout/r-…`, `model/air-quality@1.0.0`, `device/x`. */
  readonly target: string;
  readonly details?: Readonly<Record<string, unknown>>;
}
