/** The versions a device leaves alone, as the condition `version_quarantined` tells them. */
import { shorten } from '../../shared/base/safe-text.ts';
import type { ReportedModel } from '../../shared/protocol/reported-state.ts';

/** Of one reason among several; the whole of it is with the model. */
const REASON_CHARS = 200;

/** Undefined when there are none. */
export function quarantinedText(models: readonly ReportedModel[]): string | undefined {
  const quarantined = models.flatMap((entry) =>
    entry.quarantined.map(
      ({ version, until, reason }) =>
        `${entry.model} ${version} until ${until} (${shorten(reason, REASON_CHARS)})`,
    ),
  );
  return quarantined.length > 0 ? `In quarantine: ${quarantined.join('; ')}.` : undefined;
}
