/** What a verification has to say, gathered while it reads. */

/** Something that is not as it must be. `intact`: something was changed; `complete`: something is missing. */
export type Finding = {
  readonly about: 'intact' | 'complete';
  readonly file: string;
  readonly atByte?: number;
  readonly batch?: number;
  /** Numbers of the first and last event of the batch. */
  readonly events?: readonly [number, number];
  readonly what: string;
};

/** A forged directory can be wrong everywhere: beyond this many, findings are only counted. */
const KEPT_FINDINGS = 1000;

export class Findings {
  readonly kept: Finding[] = [];
  private changed = 0;
  private missing = 0;

  get count(): number {
    return this.changed + this.missing;
  }

  get intact(): boolean {
    return this.changed === 0;
  }

  get complete(): boolean {
    return this.missing === 0;
  }

  /** Something was changed. */
  notIntact(file: string, what: string, where: Omit<Finding, 'about' | 'file' | 'what'> = {}): void {
    this.changed += 1;
    this.keep({ about: 'intact', file, ...where, what });
  }

  /** Something is missing. */
  notComplete(file: string, what: string, where: Omit<Finding, 'about' | 'file' | 'what'> = {}): void {
    this.missing += 1;
    this.keep({ about: 'complete', file, ...where, what });
  }

  private keep(finding: Finding): void {
    if (this.kept.length < KEPT_FINDINGS) this.kept.push(finding);
  }
}

/** `sessions/…/000000.seg, byte 120, batch 3, events 5–9: what is wrong` */
export function findingText(finding: Finding): string {
  const { file, atByte, batch, events, what } = finding;
  const where = [file];
  if (atByte !== undefined) where.push(`byte ${atByte}`);
  if (batch !== undefined) where.push(`batch ${batch}`);
  if (events !== undefined) where.push(events[0] === events[1] ? `event ${events[0]}` : `events ${events[0]}–${events[1]}`);
  return `${where.join(', ')}: ${what}`;
}
