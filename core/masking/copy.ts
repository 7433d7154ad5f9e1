/**
 * COPY TO STDOUT: CopyData messages in, masked CopyData messages out. The server sends one row per message and clients
 * rely on it, so that is what leaves here, even where rows and incoming messages do not line up.
 */
import { BinaryCopyMasker } from './copy-binary.ts';
import { copyCells, type CopyPlan } from './copy-cells.ts';
import { csvFormat, textFormat } from './copy-format.ts';
import { LineCopyMasker } from './copy-lines.ts';
import type { CopyMasker } from './copy-masker.ts';

/** Throws MalformedRow where the plan does not fit the columns, or an option is none that COPY has. */
export function createCopyMasker(options: CopyPlan): CopyMasker {
  const cells = copyCells(options);
  switch (options.copy.format) {
    case 'text':
      return new LineCopyMasker(textFormat(options.copy), cells, options.copy.header === true);
    case 'csv':
      return new LineCopyMasker(csvFormat(options.copy), cells, options.copy.header === true);
    case 'binary':
      return new BinaryCopyMasker(cells);
  }
}
