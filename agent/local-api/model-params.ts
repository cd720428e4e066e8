/** What a path of a model names. */
export interface ModelParams {
  readonly model: string;
  /** The active version when absent. */
  readonly version?: string;
}

/** Of Fastify, for a path of a model. */
export interface ModelRoute {
  readonly Params: ModelParams;
}

/** A path of a model, and the same of one version of it. */
export function modelPaths(end = ''): readonly string[] {
  return [`/v2/models/:model${end}`, `/v2/models/:model/versions/:version${end}`];
}
