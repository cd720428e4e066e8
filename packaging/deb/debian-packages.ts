/** The Debian packages: which program each brings, with what, and what it says of itself. */

export interface DebianPackage {
  readonly name: string;
  /** Paths below the project, without ending, of what its processes are started with. */
  readonly programs: readonly string[];
  readonly summary: string;
  /** Paragraphs of the description, in lines of at most 79 characters. */
  readonly description: readonly string[];
  readonly manual: 1 | 8;
  /** A program that runs by itself: with a unit, a system user of its name, an options file and a data folder. */
  readonly service?: { readonly config: string };
}

const about = [
  'modelfleet brings signed ONNX models to many devices in waves, and lets a',
  'rollout go on only when the new version is proven to behave well on the',
  'devices that already run it.',
  '.',
];

export const debianPackages: readonly DebianPackage[] = [
  {
    name: 'modelfleet-hub',
    programs: ['hub/main', 'hub/data-folder/integrity-main'],
    summary: 'hub of a fleet of devices that run ML models',
    description: [
      ...about,
      'This package has the hub: REST API, MQTT broker and database in one service.',
      'It brings its own Node runtime.',
    ],
    manual: 8,
    service: { config: 'hub.yaml' },
  },
  {
    name: 'modelfleet-agent',
    programs: ['agent/main', 'runner/main'],
    summary: 'device daemon of a fleet that runs ML models',
    description: [
      ...about,
      'This package has the agent, which verifies, tries and serves the versions',
      'that its hub assigns, over the Open Inference Protocol v2. It brings its own',
      'Node runtime and ONNX Runtime.',
    ],
    manual: 8,
    service: { config: 'agent.yaml' },
  },
  {
    name: 'modelfleet',
    programs: ['cli/main', 'runner/main'],
    summary: 'command line for operators and publishers of ML models on devices',
    description: [
      ...about,
      'This package has the command line: it packs, signs and publishes versions and',
      'steers rollouts. It brings its own Node runtime and ONNX Runtime.',
    ],
    manual: 1,
  },
];
