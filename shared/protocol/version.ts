/**
 * The protocol between hub and agents. One integer, part of every topic, raised when a message changes in a way the other side must know;
 * every message carries its own `v`, an unknown one is refused with `unsupported_version`, an unknown field is kept.
 *
 *   1  2026-11  First version: enrolment, desired and reported state, update events, chunk pull, telemetry windows.
 *      2026-11-26  Feature sources of a profile may name an element of each row, or a channel of an image.
 *      2026-11-26  Telemetry counts requests refused for their tensors (`requests.refused`). A trial may ask for no
 *                  requests (`minRequests` 0) and may know that the interface breaks on purpose (`breaking`).
 *      2026-11-26  A manifest's label rule may say how a class is read (`read`, `threshold`, `values`).
 *      2026-11-26  Reported models tell the highest release ever committed (`floor`), and which of those kept they
 *                  were taken off (`left`).
 *      2026-11-26  Desired state may release what a device has quarantined or refused (`released`).
 *      2026-11-26  An agent sends a random number of its start as the MQTT user name; the hub may send `command`
 *                  `identity-shared`. The same enrolment request again is answered again.
 *      2026-11-27  Desired state may take models off a device (`unassigned`).
 *      2026-11-27  A chunk request may say that the device knows `queue`; the hub then answers `queued` instead of
 *                  keeping silent while the request stands in line. It no longer answers `busy`; agents still know it.
 *      2026-11-27  A telemetry window is cut when the rollout changes that its version is here for, and names it (`rollout`)
 *                  also for a version that was there before. Only what names a rollout is evidence for it: an agent that
 *                  does not say so is never waited for, but a gate that asks for figures has none of it. A window that
 *                  claims more than its time can hold is dropped. The length of a window is that of a monotonic clock.
 *      2026-11-27  The hub may send `command` `busy` while it holds what a device sent.
 *      2026-11-27  A desired state's sequence may step by 2^32 at most. A newer timestamp may say an earlier time than the
 *                  one before: the hub's clock was ahead.
 *      2026-11-27  Desired state says which offer of a rollout brings a version (`offer`), and a telemetry window says it back; it is
 *                  cut when that changes. A window that names another offer than the last one is evidence for nothing.
 *      2026-11-27  Reported state is version 2: a model's `parked` is now `quarantined`. A hub still reads version 1.
 *      2026-11-28  Label figures count answers (`answers`), classes (`confusion`) and confidence (`calibration`), and add up
 *                  signed errors (`signedError`). Each may be missing; a label without `answers` is of an answer of its own.
 *      2026-11-28  A telemetry report may be deflated (zlib), and agents send it so: a hub from before refuses it. Its features may have
 *                  block sums (`blocks`); rows of an agent that does not send them count as independent.
 */
export const protocolVersion = 1;
