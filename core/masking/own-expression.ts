/** Configured expressions, in the syntax and the linear time of RE2. */
import { RE2JS } from 're2js';
import type { Scan } from './scan.ts';

/** Throws what RE2 throws when the pattern is not in its syntax. */
export function ownExpression(pattern: string): Scan {
  const compiled = RE2JS.compile(pattern);
  return (bytes, start, end, report) => {
    const matcher = compiled.matcher(bytes.subarray(start, end));
    while (matcher.find()) {
      // An expression that matches nothing, such as `a*`, has nothing to mask.
      if (matcher.end() > matcher.start()) report(start + matcher.start(), start + matcher.end());
    }
  };
}
