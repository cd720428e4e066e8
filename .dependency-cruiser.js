/** Which folder may know which, each rule with its reason. Run by `npm run boundaries`. */
const programs = ['agent', 'hub', 'cli', 'demo'];
const features = [
  'access',
  'audit',
  'pki',
  'devices',
  'signing',
  'models',
  'transfer',
  'rollout',
  'telemetry',
  'drift',
  'data-folder',
  'retention',
  'objectives',
  'alerts',
];

/** Folders of shared/ that run in a browser too. */
const browserFolders = '^shared/(api|base|errors|manifest|protocol|sketch)/';

export default {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'Two files that need each other are one file, or hide a third that both need.',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'shared-is-pure',
      comment: 'shared/ runs in agents, hub, CLI and simulator alike: no I/O, no other folder of ours.',
      severity: 'error',
      from: { path: '^shared/' },
      to: { path: '^(agent|hub|cli|runner|platform|demo|test)/' },
    },
    {
      name: 'shared-does-no-io',
      comment:
        'A pure core can be replayed (P6) and tested as data; files, sockets and timers stay in the shells.',
      severity: 'error',
      from: { path: '^shared/' },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?(crypto|buffer)$' },
    },
    {
      name: 'browser-folders-know-no-node',
      comment:
        'A web page reads the same messages and answers: what it reads them with runs without Node. `npm run types` checks the globals of these folders, tsconfig.browser.json lists them.',
      severity: 'error',
      from: { path: browserFolders },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'browser-folders-stand-alone',
      comment: 'TUF, ONNX and the inference codec use Node for keys, bytes and speed.',
      severity: 'error',
      from: { path: browserFolders },
      to: { path: '^shared/', pathNot: [browserFolders, '^shared/inference/tensor\\.ts$'] },
    },
    {
      name: 'platform-knows-shared-only',
      comment: 'platform/ is what touches the operating system for everybody; it knows no feature.',
      severity: 'error',
      from: { path: '^platform/' },
      to: { path: '^(agent|hub|cli|runner|demo|test)/' },
    },
    {
      name: 'runner-stands-alone',
      comment: 'The runner hosts ONNX Runtime for the agent and for packing; it must not pull either in.',
      severity: 'error',
      from: { path: '^runner/' },
      to: { path: '^(agent|hub|cli|demo|test)/' },
    },
    {
      name: 'serving-knows-no-http',
      comment: 'Which version answers, and what is counted, must not depend on how a request came in.',
      severity: 'error',
      from: { path: '^agent/(?!local-api/|agent\\.ts)' },
      to: { path: '^agent/local-api/' },
    },
    ...['agent', 'hub', 'cli'].map((program) => ({
      name: `${program}-knows-no-other-program`,
      comment: 'Agent, hub and CLI speak over the wire: what they share is a message in shared/protocol.',
      severity: 'error',
      from: { path: `^${program}/` },
      to: { path: `^(${[...programs.filter((p) => p !== program), 'test'].join('|')})/` },
    })),
    {
      name: 'demo-is-a-user',
      comment:
        'The demo drives the CLI, the REST API and the local API as a user would. It imports no program; from shared/ it takes what its own data and models are made with.',
      severity: 'error',
      from: { path: '^demo/' },
      to: { path: '^(agent|hub|cli|test)/' },
    },
    {
      name: 'only-the-runner-loads-onnxruntime',
      comment:
        'session.run() blocks the event loop and a bad model can abort the process: it lives in a child process.',
      severity: 'error',
      from: { pathNot: '^(runner/|test/bench/|test/simulation/)' },
      to: { path: 'onnxruntime-node' },
    },
    {
      name: 'a-feature-asks-the-service',
      comment: 'A store knows its own tables; another feature that reads them ties both to one schema.',
      severity: 'error',
      from: { path: `^hub/(${features.join('|')})/` },
      to: { path: `^hub/(${features.join('|')})/[^/]*-store\\.ts$`, pathNot: '^hub/$1/|blob-store\\.ts$' },
    },
    {
      name: 'tests-are-not-imported',
      comment: 'What production code needs is production code.',
      severity: 'error',
      from: { pathNot: '^test/' },
      to: { path: '^test/' },
    },
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.json'],
      conditionNames: ['node', 'import', 'default'],
    },
  },
};
