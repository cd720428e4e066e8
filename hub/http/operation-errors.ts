/**
 * Which errors an operation may answer with. What follows from its kind (who may call it, whether it has a body) is derived here;
 * what only its own work can find is in `config.errors` of its route.
 */
import type { RouteOptions } from 'fastify';
import { errorCatalogue, type HttpErrorCode } from '../../shared/errors/catalogue.ts';
import { takesIdempotencyKey } from './request-headers.ts';

/** Of every request: what its head is too large for, a defect of the hub, its end. */
const ofEveryone: readonly HttpErrorCode[] = ['headers_too_large', 'internal', 'hub_stopping'];
/** Of what reads or writes the data folder. */
const ofStorage: readonly HttpErrorCode[] = [
  'database_damaged',
  'disk_full',
  'disk_error',
  'database_locked',
];
const ofBody: readonly HttpErrorCode[] = ['too_large', 'media_type_unsupported', 'encoding_unsupported'];

const ofIdempotencyKey: readonly HttpErrorCode[] = [
  'idempotency_key_reused',
  'idempotency_in_progress',
  'idempotency_answer_lost',
  'idempotency_keys_exhausted',
];

/** Codes of the operation, sorted by status and name. */
export function operationErrors({
  method,
  config = {},
}: Pick<RouteOptions, 'method' | 'config'>): HttpErrorCode[] {
  const { role, current, errors = [] } = config;
  // What is outside the API (probes, this description) reads nothing and stores nothing.
  if (role === undefined) return sorted([...ofEveryone.filter((code) => code !== 'internal'), ...errors]);
  const takesBody = [method].flat().some((one) => one !== 'GET' && one !== 'HEAD');
  return sorted([
    ...ofEveryone,
    ...ofStorage,
    'bad_input',
    'rate_limited',
    ...(role === 'public' ? [] : (['unauthorized'] as const)),
    ...(role === 'public' || role === 'viewer' ? [] : (['forbidden'] as const)),
    ...(takesBody ? ofBody : []),
    ...(takesIdempotencyKey({ method, config }) ? ofIdempotencyKey : []),
    ...(current ? (['precondition_failed'] as const) : []),
    ...errors,
  ]);
}

/** Codes by the status they are answered with. */
export function byStatus(codes: readonly HttpErrorCode[]): ReadonlyMap<number, readonly HttpErrorCode[]> {
  return Map.groupBy(codes, (code) => errorCatalogue[code].status);
}

function sorted(codes: readonly HttpErrorCode[]): HttpErrorCode[] {
  const statusOf = (code: HttpErrorCode) => errorCatalogue[code].status;
  return [...new Set(codes)].sort((a, b) => statusOf(a) - statusOf(b) || (a < b ? -1 : 1));
}
