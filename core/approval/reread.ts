/** What comes of reading a held statement anew, where its request is stored. */
import type { Bundle } from '../policy/bundle.ts';
import type { ApprovalRequest } from './approval.ts';

export type Reread =
  | { readonly kind: 'asks'; readonly request: ApprovalRequest }
  /** Not what it was said to be; `bundle`: while the holder has not taken up the bundle in force. */
  | { readonly kind: 'differs'; readonly what: 'bundle' | 'reading' | 'digest' | 'demand'; readonly reason: string };

/** Says what differs, or only that the two have different bundles, which differ for a moment after each activation. */
export function differing(
  said: Pick<ApprovalRequest, 'bundle'>,
  { version }: Pick<Bundle, 'version'>,
): (what: 'reading' | 'digest' | 'demand', reason: string) => Reread {
  return (what, reason) =>
    said.bundle === version
      ? { kind: 'differs', what, reason }
      : { kind: 'differs', what: 'bundle', reason: `it was judged under ${said.bundle}, and ${version} is in force: ${reason}` };
}
