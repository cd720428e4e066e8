/** What the hub refuses that may be an attack, or a device or a program that is set up wrongly. */

/** What was refused, with what the log says of it. The kinds are the labels of the metric and the second half of the audit log's action. */
export const refusalTexts = {
  api_token: 'API token refused',
  role: 'request refused: the role of the token is too low',
  join_token: 'enrolment refused',
  request: 'request of somebody without a token refused',
  rate: 'request refused: too many of one address',
  metadata: 'signed metadata or version refused',
  connection: 'connection to the REST API closed: too many',
  https_handshake: 'TLS handshake of the REST API refused',
  half_open: 'connection closed: too many that are not admitted yet',
  handshake: 'TLS handshake refused',
  certificate: 'client certificate refused',
  connect: 'connection of a device refused',
  packet: 'packet of a device refused',
  subscribe: 'subscription of a device refused',
  publish: 'message of a device refused',
  payload: 'message of a device dropped',
} as const;

export type RefusalKind = keyof typeof refusalTexts;
export const refusalKinds = Object.keys(refusalTexts) as readonly RefusalKind[];

export interface Refusal {
  readonly kind: RefusalKind;
  /** Who proved to be who they are: `device:<id>`, `token:<name>`. Undefined: a stranger, who is known by the address alone. */
  readonly actor?: string | undefined;
  readonly address?: string | undefined;
  /** Why, for the operator. Must hold no secret; what is too long is cut. */
  readonly reason: string;
}

/** Whoever refuses tells it here. Never throws and costs next to nothing. */
export interface RefusalListener {
  refused(refusal: Refusal): void;
}
