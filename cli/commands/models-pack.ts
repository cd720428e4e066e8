/** `modelfleet models pack`: speaks to no hub and needs no login. */
import { Command } from 'commander';
import { makeLogger } from '../../platform/logger.ts';
import { systemClock } from '../../platform/system-clock.ts';
import { formatBytes } from '../../shared/base/bytes.ts';
import type { CliContext } from '../context.ts';
import { countText } from '../count-text.ts';
import { type PackResult, packVersion } from '../packing/pack.ts';

interface PackFlags {
  readonly out?: string;
  readonly skipGoldenCheck?: boolean;
}

export function packCommand(context: CliContext): Command {
  return new Command('pack')
    .description('check a model and write a version to publish; nothing is signed or uploaded')
    .argument('<dir>', 'folder with model.yaml, ONNX files and samples; see docs/MODEL-YAML.md')
    .option('--out <DIR>', 'folder to write the version to (default: <dir>/packed)')
    .option(
      '--skip-golden-check',
      'do not compare answers of the model with the golden samples; devices do, and may reject the version',
    )
    .action(async (folder: string, { out, skipGoldenCheck }: PackFlags) => {
      const printer = context.printer();
      const progress = printer.progress();
      const result = await packVersion({
        folder,
        out,
        skipGoldenCheck,
        now: systemClock.now(),
        logger: makeLogger('pack', 'silent'),
        onStep: (name) => progress.step(name),
      }).finally(() => progress.end());
      for (const remark of result.remarks) printer.note(`Note: ${remark}.`);
      if (skipGoldenCheck) printer.note('Note: the golden samples were not checked.');
      printer.result(summarize(result), () => describe(result));
    });
}

function summarize({ packed, goldenSamples, remarks }: PackResult) {
  const { model, version, release, files, profile } = packed.manifest;
  return {
    model,
    version,
    release,
    folder: packed.folder,
    manifestSha256: packed.manifestSha256,
    files: files.map(({ path, sha256, bytes, chunks }) => ({ path, sha256, bytes, chunks: chunks.length })),
    goldenSamples,
    features: profile?.features.map((feature) => feature.name) ?? [],
    remarks,
  };
}

function describe({ packed, goldenSamples }: PackResult): readonly string[] {
  const { model, version, release, files, profile } = packed.manifest;
  return [
    `Packed ${model} ${version} (release ${release}) into ${packed.folder}`,
    ...files.map(({ path, bytes }) => `  ${path} (${formatBytes(bytes)})`),
    `  ${countText(goldenSamples, 'golden sample')}, ${countText(profile?.features.length ?? 0, 'feature')} profiled over ${countText(profile?.rows ?? 0, 'row')}`,
    `  manifest ${packed.manifestSha256}`,
  ];
}
