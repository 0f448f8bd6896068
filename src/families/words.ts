/** @file Words that several families share. Loads nothing that computes. */

/** A validation loss and the watch's measurements, for the progress line. */
export function describeChecks(record: Readonly<Record<string, number>>): string | undefined {
  const { val_loss: loss, check_kid: kid, check_coverage: coverage } = record;
  if (loss === undefined && kid === undefined) return undefined;
  const parts = [
    ...(Number.isFinite(loss) && loss !== kid ? [`held out ${loss.toFixed(3)}`] : []),
    ...(kid === undefined ? [] : [`KID ${kid.toFixed(3)}, coverage ${(100 * coverage).toFixed(0)}%`]),
  ];
  return parts.join(', ');
}
